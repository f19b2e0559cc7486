#!/bin/sh
# All that makes the two models that ship, their cards and the counts behind them, from BUSI:
#
#     sh benchmarks/training/train_zoo.sh Dataset_BUSI_with_GT runs
#
# Thirty trainings: two seeds of two stages and `unet-tiny`, each on all images but one fold, five times, and on all of
# them. Six hours on two cores. Killed, it goes on where it was when started again. The last two steps time: let
# nothing else run then.
set -eu
here=$(dirname "$0") data=$1 runs=$2

for part in fold0 fold1 fold2 fold3 fold4 all; do
    case $part in all) fold= ;; *) fold="--fold ${part#fold}" ;; esac
    for seed in 0 1; do
        python "$here/train_unet.py" --data "$data" $fold -o "$runs/first-$seed" \
            --set "unet[epochs=48,patience=48,random_state=$seed]"
        python "$here/train_unet.py" --data "$data" $fold -o "$runs/seed-$seed" --from "$runs/first-$seed" \
            --set "unet[size=256,epochs=24,patience=24,learning_rate=0.0005,random_state=$seed]"
        # Teachers answer without the mirrored image, which would double the time of the training.
        hybridseg export "$runs/seed-$seed/$part.hybridseg[flip_averaging=False]" --overwrite \
            -o "$runs/seed-$seed/$part.onnx"
    done
    python "$here/train_unet.py" --data "$data" $fold -o "$runs/tiny" \
        --teacher "$runs/seed-0/$part.onnx" --teacher "$runs/seed-1/$part.onnx" \
        --set "unet[encoder=efficientnet-lite0-short,size=256,flip_averaging=False,epochs=32,patience=32,teacher_share=0.7]"
done
python "$here/cross_fit.py" --data "$data" "$runs/seed-0" "$runs/seed-1" -o "$runs/unet" --ship
python "$here/cross_fit.py" --data "$data" "$runs/tiny" -o "$runs/unet-tiny" --ship
for name in unet unet-tiny; do
    python "$here/make_zoo.py" "$name" "$runs/$name/all.hybridseg" --data "$data" \
        --counts "$runs/$name/fold0.csv" --counts "$runs/$name/fold1.csv" --counts "$runs/$name/fold2.csv" \
        --counts "$runs/$name/fold3.csv" --counts "$runs/$name/fold4.csv"
done
