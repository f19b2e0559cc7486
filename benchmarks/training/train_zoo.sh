#!/bin/sh
# All that makes the two models that ship, their cards and the counts behind them:
#
#     sh benchmarks/training/train_zoo.sh Dataset_BUSI_with_GT BUSBRA BUS-UCLM runs
#
# BUSI and BUS-BRA teach, without fold 0 of either. Fold 0 scores the very models that ship, and places their operating
# points. BUS-UCLM scores them, too, and is used for nothing else. `unet` is the mean of two networks, each trained at 192
# and then, from these weights, at 256 pixels. The first network's second stage shows BUSI's lesion images twice an epoch.
# Its first stage teaches `unet-tiny`. Killed, it goes on where it was when started again. The last steps time: let nothing
# else run then.
set -eu
here=$(dirname "$0") busi=$1 busbra=$2 busuclm=$3 runs=$4
set -- --data "$busi" --data "$busbra"
recipe=images_per_group=1,validation_share=0.05

train() { python "$here/train_unet.py" "$@"; }

train "$@" --fold 0 -o "$runs/unet-first" --set "unet[epochs=26,patience=26,$recipe]"
train "$@" --fold 0 -o "$runs/unet" --from "$runs/unet-first" --again BUSI \
    --set "unet[size=256,epochs=18,patience=18,learning_rate=6e-4,lesion_free_share=0.25,$recipe]"
train "$@" --fold 0 -o "$runs/second-first" --set "unet[epochs=14,patience=14,random_state=1,$recipe]"
train "$@" --fold 0 -o "$runs/second" --from "$runs/second-first" \
    --set "unet[size=256,epochs=18,patience=18,learning_rate=6e-4,random_state=1,$recipe]"
# The teacher answers without the mirrored image, which would double the time of the training.
hybridseg export "$runs/unet-first/fold0.hybridseg[flip_averaging=False]" -o "$runs/unet-first/fold0.onnx" --overwrite
train "$@" --fold 0 -o "$runs/tiny" --teacher "$runs/unet-first/fold0.onnx" \
    --set "unet[encoder=efficientnet-lite0-short,flip_averaging=False,epochs=18,patience=26,teacher_share=0.7,$recipe]"
python "$here/cross_fit.py" "$runs/unet" "$runs/second" "$@" --test "$busuclm" --ship fold0 -o "$runs/unet-scores"
python "$here/cross_fit.py" "$runs/tiny" "$@" --test "$busuclm" --ship fold0 -o "$runs/tiny-scores"
python "$here/make_zoo.py" unet "$runs/unet-scores/fold0.hybridseg" --fold 0 "$@" --scores "$runs/unet-scores"
python "$here/make_zoo.py" unet-tiny "$runs/tiny-scores/fold0.hybridseg" --fold 0 "$@" --scores "$runs/tiny-scores"
python "$here/publish.py"
python "$here/../accuracy/confidence.py"
