#!/usr/bin/env bash
# OF-Net's Tables III to V, class repetition, and longer training, all at small scale: about half an hour of one core.
# FACEKIT is the folder of ICT Face Model Light; TV-L1 needs opencv-contrib-python-headless.
# src/actionunits/models/ofnet/README.md tells what came out.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The people who are trained and tested on; many others, to train on for longer and to tune; renders with true motion.
actionunits synth --layout bp4d --facekit "$FACEKIT" --out out/bp4d --subjects 41 --clips 4 --frames 32 --fps 8
actionunits prepare bp4d out/bp4d --out out/bp4d-crops
actionunits synth --layout disfa --facekit "$FACEKIT" --out out/disfa --subjects 27 --frames 128 --fps 8
actionunits prepare disfa out/disfa --out out/disfa-crops --level 1
OTHERS=(--clips 1 --frames 10 --fps 3 --rates balanced)
actionunits synth --facekit "$FACEKIT" --subjects 2500 --seed 1 "${OTHERS[@]}" --out out/others
actionunits synth --facekit "$FACEKIT" --subjects 60 --seed 2 "${OTHERS[@]}" --out out/tuning
actionunits synth --facekit "$FACEKIT" --subjects 12 --clips 2 --frames 32 --fps 8 --seed 19 --flow --out out/flow

# Tables IV and V: flow of two frames, and OF-Net trained jointly and separately.
SMALL=(--config ofnet_small)
for variant in dis tvl1 joint separate; do  # TV-L1: nine minutes of one core for its flow, once
    actionunits crossval ofnet --data out/bp4d-crops "${SMALL[@]}" --set variant=$variant \
        --results results/ofnet_folds_small.csv --out out/ofnet-$variant
done

# Scarce AUs shown 4 to 7 times: an epoch has 4.3 times as many frames, so both trainings have as many steps.
REPEATED=(--data out/bp4d-crops "${SMALL[@]}" --set variant=dis --results results/ofnet_folds_small.csv)
actionunits crossval ofnet "${REPEATED[@]}" --set epochs=17 --out out/ofnet-once
actionunits crossval ofnet "${REPEATED[@]}" --set epochs=4 --set balance=repeat --out out/ofnet-repeated

# Longer: 75,000 pictures of 2,500 people instead of 11,000 pictures of 22.
LONG=(--set every=1 --set epochs=3 --set warmup_epochs=1 --set validate_every_epochs=0.25)
for settings in variant=joint au_weight=0.3 variant=dis; do
    actionunits train ofnet --data out/others --valid out/tuning "${SMALL[@]}" "${LONG[@]}" --precision bf16 \
        --set $settings --out out/long/$settings
done
python experiments/ofnet/longer.py --runs out/long --data out/bp4d-crops --flow out/flow

# Table III: every fold of DISFA from scratch, and from BP4D as in the paper or from the longer run.
DISFA=("${SMALL[@]}" --set every=1 --set epochs=4 --set warmup_epochs=1 --results results/ofnet_disfa_small.csv)
for variant in dis joint; do
    actionunits crossval ofnet --data out/disfa-crops "${DISFA[@]}" --set variant=$variant --out out/disfa-$variant
done
for variant in dis joint; do
    actionunits crossval ofnet --data out/bp4d-crops,out/disfa-crops --protocol finetune "${DISFA[@]}" \
        --set variant=$variant --out out/disfa-$variant-from-bp4d
done
actionunits crossval ofnet --data out/disfa-crops "${DISFA[@]}" --set variant=joint \
    --init out/long/variant=joint/model.safetensors --out out/disfa-joint-from-others

# Paired tests on the same frames.
test() {
    actionunits compare "out/$2/predictions.parquet" "out/$3/predictions.parquet" --out "results/ofnet_tests/$1.csv"
}
test joint_dis ofnet-joint ofnet-dis
test tvl1_dis ofnet-tvl1 ofnet-dis
test joint_separate ofnet-joint ofnet-separate
test repeated_once ofnet-repeated ofnet-once
test disfa_dis disfa-dis-from-bp4d disfa-dis
test disfa_joint disfa-joint-from-bp4d disfa-joint
test disfa_others disfa-joint-from-others disfa-joint
