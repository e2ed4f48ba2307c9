#!/usr/bin/env bash
# The hybrid network's Tables I and II at small scale: about an hour of two cores. FACEKIT is the folder of ICT Face
# Model Light. docs/results.md shows these commands and, made from results/, what came out.
set -euo pipefail
cd "$(dirname "$0")/.."

# The people who are trained and tested on, and others, on whom the CNN is trained that every fold starts from.
actionunits synth --layout bp4d --facekit "$FACEKIT" --out out/long-bp4d --subjects 41 --clips 8 --frames 80 --fps 8
actionunits prepare bp4d out/long-bp4d --out out/long-bp4d-crops
actionunits synth --layout gft --facekit "$FACEKIT" --out out/gft --subjects 48 --frames 160 --fps 12
actionunits prepare gft out/gft --out out/gft-crops
OTHERS=(--clips 1 --frames 10 --fps 3 --rates balanced)
actionunits synth --facekit "$FACEKIT" --subjects 2500 --seed 1 "${OTHERS[@]}" --out out/others
actionunits synth --facekit "$FACEKIT" --subjects 3500 --seed 3 "${OTHERS[@]}" --out out/more
actionunits synth --facekit "$FACEKIT" --subjects 60 --seed 2 "${OTHERS[@]}" --out out/tuning
actionunits train hybrid --data out/others,out/more --valid out/tuning --out out/anet --config configs/hybrid_small.yaml \
    --set variant=anet --set every=2 --set batch_size=64 --set ema_decay=0.995 --max-minutes 9

# Tables II and I with three folds; HOG on every fourth frame.
START=(--scale small --init out/anet/model.safetensors --set epochs=1 --set lr=0.0003 --results results/hybrid_small.csv)
HOG=(--scale small --model hog --set every=4 --results results/hybrid_small.csv)
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops --model hybrid:anet,hybrid:lstm,hybrid \
    "${START[@]}" --out out/hybrid2
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops "${HOG[@]}" --out out/hybrid2
actionunits reproduce hybrid-table1 --data out/gft-crops --model hybrid:anet,hybrid:lstm,hybrid \
    "${START[@]}" --out out/hybrid1
actionunits reproduce hybrid-table1 --data out/gft-crops "${HOG[@]}" --out out/hybrid1
# ANet^T: the CNN of the other data set, and linear SVMs on its fc7.
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops --train-data out/gft-crops --model hybrid:anet \
    "${START[@]}" --out out/transfer2
actionunits reproduce hybrid-table1 --data out/gft-crops --train-data out/long-bp4d-crops --model hybrid:anet \
    "${START[@]}" --out out/transfer1
