#!/usr/bin/env bash
# EAC-Net's Tables II to VII at small scale: half an hour of two cores. FACEKIT is the folder of ICT Face Model Light.
# docs/results.md shows these commands and, made from results/, what came out.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The people who are trained and tested on, and others, on whom the VGG-19 is trained that stands in for ImageNet's.
actionunits synth --layout bp4d --facekit "$FACEKIT" --out out/bp4d --subjects 41 --clips 4 --frames 32 --fps 8
actionunits prepare bp4d out/bp4d --out out/bp4d-crops
actionunits prepare bp4d out/bp4d --out out/bp4d-upright --no-align
actionunits synth --layout disfa --facekit "$FACEKIT" --out out/disfa --subjects 27 --frames 128 --fps 8
actionunits prepare disfa out/disfa --out out/disfa-crops
OTHERS=(--clips 1 --frames 10 --fps 3 --rates balanced)
actionunits synth --facekit "$FACEKIT" --subjects 2500 --seed 1 "${OTHERS[@]}" --out out/others
actionunits synth --facekit "$FACEKIT" --subjects 60 --seed 2 "${OTHERS[@]}" --out out/tuning
actionunits train eacnet --data out/others --valid out/tuning --out out/vgg --config eacnet_small \
    --set variant=fvgg --set balance=none --set epochs=2

# Tables II; III, whose runs also have the accuracies of IV; the upscaling layer; V; VI and VII, on DISFA and in the wild.
NETWORKS=eacnet:fvgg,eacnet:enet,eacnet
START=(--scale small --set epochs=1 --set every=2 --results results/eacnet_small.csv)
VGG=(--init out/vgg/model.safetensors)
actionunits reproduce eacnet-table2 --data out/bp4d-crops
actionunits reproduce eacnet-table3 --data out/bp4d-crops --model "$NETWORKS" "${START[@]}" "${VGG[@]}" --out out/eacnet
actionunits reproduce eacnet-table3 --data out/bp4d-crops --model eacnet "${START[@]}" --set upscale=false \
    --init out/eacnet/eacnet-enet --out out/eacnet-plain
actionunits reproduce eacnet-table5 --data out/bp4d-upright --registered out/bp4d-crops --model "$NETWORKS" \
    "${START[@]}" "${VGG[@]}" --out out/eacnet-upright
actionunits reproduce eacnet-table6 --data out/disfa-crops --train-data out/bp4d-crops --model "$NETWORKS" \
    "${START[@]}" "${VGG[@]}" --out out/eacnet-disfa
actionunits reproduce eacnet-table6 --data data/synthau-mini/wild --train-data out/bp4d-crops --model "$NETWORKS" \
    "${START[@]}" "${VGG[@]}" --out out/eacnet-wild

# Paired tests on the same frames.
test() {
    actionunits compare "out/$2/predictions.parquet" "out/$3/predictions.parquet" --out "results/eacnet_tests/$1.csv"
}
test enet_fvgg eacnet/eacnet-enet eacnet/eacnet-fvgg
test eacnet_enet eacnet/eacnet eacnet/eacnet-enet
test eacnet_fvgg eacnet/eacnet eacnet/eacnet-fvgg
test upscaling eacnet/eacnet eacnet-plain/eacnet
for network in eacnet-fvgg eacnet-enet eacnet; do
    test "aligned_$network" "eacnet/$network" "eacnet-upright/$network"
done
test disfa_enet_fvgg eacnet-disfa/eacnet-enet eacnet-disfa/eacnet-fvgg
test disfa_eacnet_enet eacnet-disfa/eacnet eacnet-disfa/eacnet-enet
