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
# Ten folds: the CNN of each sees every fourth frame, the LSTMs and the fusion all.
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops --folds 10 --model hybrid:anet --set every=4 \
    "${START[@]}" --out out/ten-anet
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops --folds 10 --model hybrid:lstm,hybrid --scale small \
    --init out/ten-anet/hybrid-anet --results results/hybrid_small.csv --out out/ten
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops --folds 10 "${HOG[@]}" --out out/ten

# Paired tests on the same frames; onsets and offsets.
test() {
    actionunits compare "out/$2/predictions.parquet" "out/$3/predictions.parquet" --out "results/hybrid_tests/$1.csv"
}
test fusion_anet hybrid2/hybrid hybrid2/hybrid-anet
test lstm_anet hybrid2/hybrid-lstm hybrid2/hybrid-anet
test anet_hog hybrid2/hybrid-anet hybrid2/hog
test gft_fusion_anet hybrid1/hybrid hybrid1/hybrid-anet
test gft_lstm_anet hybrid1/hybrid-lstm hybrid1/hybrid-anet
test gft_anet_hog hybrid1/hybrid-anet hybrid1/hog
test transfer_hog transfer2/hybrid-anet hybrid2/hog
test transfer_anet transfer2/hybrid-anet hybrid2/hybrid-anet
test gft_transfer_hog transfer1/hybrid-anet hybrid1/hog
test gft_transfer_anet transfer1/hybrid-anet hybrid1/hybrid-anet
test ten_fusion_anet ten/hybrid ten-anet/hybrid-anet
test ten_lstm_anet ten/hybrid-lstm ten-anet/hybrid-anet
test ten_anet_hog ten-anet/hybrid-anet ten/hog
runs=()
for network in hog hybrid-anet hybrid-lstm hybrid; do runs+=("out/hybrid2/$network/predictions.parquet"); done
actionunits report onsets "${runs[@]}" --table results/hybrid_onsets.csv --out docs/img/hybrid_onsets.png

# What each rule does to the LSTMs, Fig. 3 and 4, and Fig. 5.
python benchmarks/hybrid_lstm.py --data out/long-bp4d-crops --init out/anet/model.safetensors
python benchmarks/hybrid_people.py --data out/long-bp4d-crops --checkpoint out/anet/model.safetensors
actionunits report activation out/anet/model.safetensors --aus 1,2,4,6,12,15 --out docs/img/hybrid_activation.png
