#!/usr/bin/env bash
# The hybrid network's Tables I and II at small scale: about an hour of one core. FACEKIT is the folder of ICT Face
# Model Light. docs/results.md shows these commands and, made from results/, what came out.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The people who are trained and tested on, and others, on whom the CNN is trained that every fold starts from.
actionunits synth --layout bp4d --facekit "$FACEKIT" --out out/long-bp4d --subjects 41 --clips 8 --frames 80 --fps 8
actionunits prepare bp4d out/long-bp4d --out out/long-bp4d-crops
actionunits synth --layout gft --facekit "$FACEKIT" --out out/gft --subjects 48 --frames 160 --fps 12
actionunits prepare gft out/gft --out out/gft-crops
OTHERS=(--clips 1 --frames 10 --fps 3 --rates balanced)
actionunits synth --facekit "$FACEKIT" --subjects 2500 --seed 1 "${OTHERS[@]}" --out out/others
actionunits synth --facekit "$FACEKIT" --subjects 3500 --seed 3 "${OTHERS[@]}" --out out/more
actionunits synth --facekit "$FACEKIT" --subjects 60 --seed 2 "${OTHERS[@]}" --out out/tuning
actionunits train hybrid --data out/others,out/more --valid out/tuning --out out/anet --config hybrid_small \
    --set variant=anet --set every=2 --set batch_size=64 --set ema_decay=0.995 --max-minutes 9

RESULTS=(--scale small --results results/hybrid_small.csv)
CNN=(--init out/anet/model.safetensors)
HOG=("${RESULTS[@]}" --model hog --set every=4)

# Table II: HOG on every fourth frame; the CNN of other people as it is, and the later stages, which read it.
NETWORKS=hybrid:anet,hybrid:lstm,hybrid
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops "${HOG[@]}" --out out/hog2
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops "${RESULTS[@]}" --model "$NETWORKS" "${CNN[@]}" \
    --set epochs=0 --out out/others2
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops "${RESULTS[@]}" --model "$NETWORKS" "${CNN[@]}" \
    --set epochs=0 --folds 10 --out out/ten2
# That CNN trained on with the people of each fold.
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops "${RESULTS[@]}" --model "$NETWORKS" "${CNN[@]}" \
    --set epochs=1 --set lr=0.0003 --out out/tuned2
# Table I, with three folds and with ten.
actionunits reproduce hybrid-table1 --data out/gft-crops "${HOG[@]}" --out out/hog1
actionunits reproduce hybrid-table1 --data out/gft-crops "${RESULTS[@]}" --model "$NETWORKS" "${CNN[@]}" \
    --set epochs=0 --out out/others1
actionunits reproduce hybrid-table1 --data out/gft-crops "${RESULTS[@]}" --model "$NETWORKS" "${CNN[@]}" \
    --set epochs=0 --folds 10 --out out/ten1
# ANet^T: the CNN learns from the other data set, then linear SVMs from its fc7.
actionunits reproduce hybrid-table2 --data out/long-bp4d-crops --train-data out/gft-crops "${RESULTS[@]}" \
    --model hybrid:anet "${CNN[@]}" --set epochs=1 --set lr=0.0003 --out out/transfer2
actionunits reproduce hybrid-table1 --data out/gft-crops --train-data out/long-bp4d-crops "${RESULTS[@]}" \
    --model hybrid:anet "${CNN[@]}" --set epochs=1 --set lr=0.0003 --out out/transfer1

# Paired tests on the same frames; onsets and offsets.
test() {
    actionunits compare "out/$2/predictions.parquet" "out/$3/predictions.parquet" --out "results/hybrid_tests/$1.csv"
}
test fusion_anet others2/hybrid others2/hybrid-anet
test lstm_anet others2/hybrid-lstm others2/hybrid-anet
test anet_hog others2/hybrid-anet hog2/hog
test tuned_anet tuned2/hybrid-anet others2/hybrid-anet
test tuned_fusion_anet tuned2/hybrid tuned2/hybrid-anet
test tuned_anet_hog tuned2/hybrid-anet hog2/hog
test ten2_fusion_anet ten2/hybrid ten2/hybrid-anet
test ten2_lstm_anet ten2/hybrid-lstm ten2/hybrid-anet
test transfer_hog transfer2/hybrid-anet hog2/hog
test transfer_anet transfer2/hybrid-anet others2/hybrid-anet
test gft_fusion_anet others1/hybrid others1/hybrid-anet
test gft_lstm_anet others1/hybrid-lstm others1/hybrid-anet
test gft_anet_hog others1/hybrid-anet hog1/hog
test gft_transfer_anet transfer1/hybrid-anet others1/hybrid-anet
test gft_transfer_hog transfer1/hybrid-anet hog1/hog
test ten_fusion_anet ten1/hybrid ten1/hybrid-anet
test ten_lstm_anet ten1/hybrid-lstm ten1/hybrid-anet
runs=(out/hog2/hog)
for network in hybrid-anet hybrid-lstm hybrid; do runs+=("out/others2/$network"); done
actionunits report onsets "${runs[@]/%//predictions.parquet}" --table results/hybrid_onsets.csv \
    --out docs/img/hybrid_onsets.png

# What each rule does to the LSTMs, Fig. 3 and 4, and Fig. 5.
python experiments/hybrid/lstm.py --data out/long-bp4d-crops --init out/anet/model.safetensors
python experiments/hybrid/people.py --data out/long-bp4d-crops --checkpoint out/anet/model.safetensors
actionunits report activation out/anet/model.safetensors --aus 1,2,4,6,12,15 --out docs/img/hybrid_activation.png
