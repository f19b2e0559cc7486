#!/bin/sh
# All that makes the two models that ship, their cards and the counts behind them:
#
#     sh benchmarks/training/train_zoo.sh Dataset_BUSI_with_GT BUSBRA BUS-UCLM runs
#
# BUSI and BUS-BRA teach, without fold 0 of either. Fold 0 scores the very models that ship, and places their operating
# points. BUS-UCLM scores them, too, and is used for nothing else. Two trainings, of about an hour each on one core.
# Killed, it goes on where it was when started again. The last two steps time: let nothing else run then.
set -eu
here=$(dirname "$0") busi=$1 busbra=$2 busuclm=$3 runs=$4
set -- --data "$busi" --data "$busbra"
recipe=patience=26,images_per_group=1,validation_share=0.05

python "$here/train_unet.py" "$@" --fold 0 -o "$runs/unet" --set "unet[epochs=26,$recipe]"
# The teacher answers without the mirrored image, which would double the time of the training.
hybridseg export "$runs/unet/fold0.hybridseg[flip_averaging=False]" -o "$runs/unet/fold0.onnx" --overwrite
python "$here/train_unet.py" "$@" --fold 0 -o "$runs/tiny" --teacher "$runs/unet/fold0.onnx" \
    --set "unet[encoder=efficientnet-lite0-short,flip_averaging=False,epochs=18,teacher_share=0.7,$recipe]"
for name in unet tiny; do
    python "$here/cross_fit.py" "$runs/$name" "$@" --test "$busuclm" --ship fold0 -o "$runs/$name-scores"
done
python "$here/make_zoo.py" unet "$runs/unet-scores/fold0.hybridseg" --fold 0 "$@" --scores "$runs/unet-scores"
python "$here/make_zoo.py" unet-tiny "$runs/tiny-scores/fold0.hybridseg" --fold 0 "$@" --scores "$runs/tiny-scores"
python "$here/publish.py"
