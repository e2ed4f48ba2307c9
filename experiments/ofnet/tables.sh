#!/usr/bin/env bash
# OF-Net's Tables III to V, class repetition, and longer training, all at small scale: an hour and a quarter of one core.
# FACEKIT is the folder of ICT Face Model Light.
# src/actionunits/models/ofnet/README.md tells what came out.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The people who are trained and tested on; others, to train on for longer, to tune, and to test the flow.
actionunits synth --layout bp4d --facekit "$FACEKIT" --out out/bp4d --subjects 41 --clips 4 --frames 32 --fps 8
actionunits prepare bp4d out/bp4d --out out/bp4d-crops
actionunits synth --layout disfa --facekit "$FACEKIT" --out out/disfa --subjects 27 --frames 128 --fps 8
actionunits prepare disfa out/disfa --out out/disfa-crops --level 1
OTHERS=(--clips 1 --frames 9 --fps 3 --rates balanced --size 128 --flow)  # those of controlled.py and train_release.py
actionunits synth --facekit "$FACEKIT" --subjects 228 --seed 51 "${OTHERS[@]}" --out out/train
actionunits synth --facekit "$FACEKIT" --subjects 1000 --seed 54 "${OTHERS[@]}" --out out/more
actionunits synth --facekit "$FACEKIT" --subjects 60 --seed 53 "${OTHERS[@]}" --out out/valid
actionunits synth --facekit "$FACEKIT" --subjects 120 --seed 52 "${OTHERS[@]}" --out out/test

# Tables IV and V: flow of two frames, and OF-Net trained jointly and separately, twenty epochs of each network.
FOLDS=(--data out/bp4d-crops --results results/ofnet_folds_small.csv)
SMALL=(--config ofnet_small)
for variant in dis separate; do
    actionunits crossval ofnet "${FOLDS[@]}" "${SMALL[@]}" --set variant=$variant --set epochs=20 \
        --out out/ofnet-$variant
done
actionunits crossval ofnet "${FOLDS[@]}" "${SMALL[@]}" --set variant=joint --set epochs=40 --set warmup_epochs=20 \
    --out out/ofnet-joint

# Scarce AUs shown 4 to 7 times: an epoch has 4.3 times as many frames, so both trainings have as many steps.
REPEATED=("${FOLDS[@]}" "${SMALL[@]}" --set variant=dis)
actionunits crossval ofnet "${REPEATED[@]}" --set epochs=17 --out out/ofnet-once
actionunits crossval ofnet "${REPEATED[@]}" --set epochs=4 --set balance=repeat --out out/ofnet-repeated

# What no motion is needed for: a small ResNet-18 of the same pixels and of as many epochs as AU-Net, and HOG.
actionunits crossval resnet18 "${FOLDS[@]}" --config resnet18_small --set image_size=64 --set width=16 --set every=2 \
    --set batch_size=16 --set epochs=20 --out out/ofnet-resnet18
actionunits crossval hog "${FOLDS[@]}" --config hog_small --set every=2 --out out/ofnet-hog

# Longer: 100,000 pictures of 1,228 people instead of 56,000 pictures of 22.
LONG=(--set every=1 --set epochs=9 --set warmup_epochs=3 --set validate_every_epochs=0.25)
for settings in variant=joint encoder=mesh variant=dis; do
    actionunits train ofnet --data out/train,out/more --valid out/valid "${SMALL[@]}" "${LONG[@]}" --precision bf16 \
        --set $settings --out out/long/$settings
done
python experiments/ofnet/longer.py --runs out/long --data out/bp4d-crops --flow out/test

# Table III: every fold of DISFA from scratch, and from BP4D as in the paper.
DISFA=("${SMALL[@]}" --set every=1 --set epochs=6 --set warmup_epochs=2 --results results/ofnet_disfa_small.csv)
for variant in dis joint; do
    actionunits crossval ofnet --data out/disfa-crops "${DISFA[@]}" --set variant=$variant --out out/disfa-$variant
done
for variant in dis joint; do
    actionunits crossval ofnet --data out/bp4d-crops,out/disfa-crops --protocol finetune "${DISFA[@]}" \
        --set variant=$variant --out out/disfa-$variant-from-bp4d
done

# Paired tests on the same frames.
test() {
    actionunits compare "out/$2/predictions.parquet" "out/$3/predictions.parquet" --out "results/ofnet_tests/$1.csv"
}
test joint_dis ofnet-joint ofnet-dis
test joint_separate ofnet-joint ofnet-separate
test joint_resnet18 ofnet-joint ofnet-resnet18
test joint_hog ofnet-joint ofnet-hog
test repeated_once ofnet-repeated ofnet-once
test disfa_dis disfa-dis-from-bp4d disfa-dis
test disfa_joint disfa-joint-from-bp4d disfa-joint
