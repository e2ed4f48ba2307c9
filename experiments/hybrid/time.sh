#!/usr/bin/env bash
# Time on clips that begin anywhere, in good pictures and in worse ones: an hour and a half of one core. FACEKIT is the
# folder of ICT Face Model Light, ASSETS that of photographed skins and surroundings, CLIPS one of real clips.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The CNN, from people of their own.
python experiments/resnet18/train_on_renders.py --facekit "$FACEKIT" --assets "$ASSETS" --keep out/people --seed 31 \
    --capacity 15000 --first-frames 14900 --validation-people 60 --minutes 36 --workers 1 --out out/cnn \
    --run anet=hybrid:variant=anet,lr=1e-3,ema_decay=0.995,fusion_people=0

# Clips: with as many action units as help in training, and with as many as coded data sets have.
synth() {
    actionunits synth --facekit "$FACEKIT" --assets "$ASSETS" --look wild --begin anywhere --size 112 --clips 1 \
        --rates "$1" --frames "$2" --subjects "$3" --seed "$4" --out "out/clips/$5"
}
synth balanced 80 60 71 w71
synth published 80 60 72 w72
synth balanced 80 60 73 w73
synth published 80 60 74 w74
synth balanced 80 60 75 w75
synth balanced 80 16 63 valid
synth published 80 16 65 valid-calm
synth balanced 160 24 62 test
synth published 160 24 64 calm
python experiments/hybrid/degrade.py out/clips/test out/clips/test-worse

SETS=(--train out/clips/w7? --valid out/clips/valid out/clips/valid-calm)
SETS+=(--test out/clips/test out/clips/test-worse out/clips/calm)
python experiments/hybrid/time.py --init out/cnn/anet/model.safetensors "${SETS[@]}" --seeds 2
python experiments/hybrid/time.py --rows corrections --init out/cnn/further/model.safetensors "${SETS[@]}"
python experiments/hybrid/correct.py "${SETS[@]}" --real "$CLIPS"
