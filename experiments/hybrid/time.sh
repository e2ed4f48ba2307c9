#!/usr/bin/env bash
# Time on clips that begin anywhere, in good pictures and in worse ones: an hour and a half of one core. FACEKIT is the
# folder of ICT Face Model Light, ASSETS that of photographed skins and surroundings, CLIPS one of real clips.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The CNN, from people of their own.
RENDERS=(--facekit "$FACEKIT" --assets "$ASSETS" --keep out/people)
ON_RENDERS=("${RENDERS[@]}" --seed 31 --capacity 15000 --first-frames 14900 --validation-people 60 --workers 1)
python experiments/resnet18/train_on_renders.py "${ON_RENDERS[@]}" --minutes 36 --out out/cnn \
    --run anet=hybrid:variant=anet,lr=1e-3,ema_decay=0.995,fusion_people=0
# That of the released weights goes on, and then learns beside the default detector. (On a busy core; 1,090 steps.)
python experiments/resnet18/train_on_renders.py "${ON_RENDERS[@]}" --minutes 31 --out out/cnn2 \
    --init out/cnn/anet/model.safetensors --run anet=hybrid:variant=anet,lr=7e-4,ema_decay=0.995,fusion_people=0
python experiments/hybrid/train_cnn.py "${RENDERS[@]}" --teacher resnet18 --large-people 850 \
    --init out/cnn2/anet/model.safetensors --steps 1200 --max-minutes 42 --out out/taught

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

JUDGED=(--valid out/clips/valid out/clips/valid-calm --test out/clips/test out/clips/test-worse out/clips/calm)
SETS=(--train out/clips/w7? "${JUDGED[@]}")
python experiments/hybrid/time.py --init out/cnn/anet/model.safetensors "${SETS[@]}" --seeds 2
python experiments/hybrid/time.py --rows corrections --init out/taught/model.safetensors "${SETS[@]}" --keep out/lstm
python experiments/hybrid/correct.py "${SETS[@]}" --real "$CLIPS"
# Networks beside means that see as many frames ahead; what any reading could gain; where events begin.
python experiments/hybrid/ahead.py "${SETS[@]}"
python experiments/hybrid/ceilings.py "${SETS[@]}"
python experiments/hybrid/onset_errors.py "${JUDGED[@]}"

# The released weights, and where they and their CNN begin and end events. FACES: photographs coded by eye.
python experiments/released_rows.py "out/lstm/corrections from each score.safetensors" --faces "$FACES" \
    --out src/actionunits/weights/hybrid.safetensors
actionunits export hybrid
actionunits evaluate hybrid --faces "$FACES" --out results/realfaces_hybrid.csv
actionunits evaluate hybrid --data out/clips/test --predictions out/hybrid/predictions.parquet
actionunits evaluate out/taught/model.safetensors --data out/clips/test --predictions out/cnn/predictions.parquet
actionunits report onsets out/{hybrid,cnn}/predictions.parquet --out out/onsets.png \
    --table results/hybrid_released_onsets.csv
