// The sources and layers of the map, in the colours of the theme.
import type {
  ExpressionSpecification,
  FillLayerSpecification,
  LineLayerSpecification,
  RasterLayerSpecification,
  StyleSpecification,
} from "maplibre-gl";
import type { FeatureCollection } from "geojson";

import { css } from "./dom";

const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };

const isMarked: ExpressionSpecification = [
  "any",
  ["boolean", ["feature-state", "hovered"], false],
  ["boolean", ["feature-state", "chosen"], false],
];

/** Beside a chosen flow the others step back. */
export function opacity(isOneChosen: boolean): ExpressionSpecification {
  return ["case", isMarked, 1, isOneChosen ? 0.2 : 0.62];
}

/** Of a city map in the schema of Protomaps. */
export function streetLayers(): (FillLayerSpecification | LineLayerSpecification)[] {
  const source = "streets";
  const colour = css("--border");
  return [
    { id: "earth", type: "fill", source, "source-layer": "earth", paint: { "fill-color": css("--land") } },
    { id: "water", type: "fill", source, "source-layer": "water", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": css("--sea") } },
    {
      id: "roads",
      type: "line",
      source,
      "source-layer": "roads",
      paint: {
        "line-color": colour,
        "line-opacity": 0.6,
        "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 8, ["match", ["get", "kind"], "highway", 0.8, 0.2], 16, ["match", ["get", "kind"], "highway", 9, "major_road", 6, 2.5]],
      },
    },
    { id: "buildings", type: "fill", source, "source-layer": "buildings", minzoom: 14, paint: { "fill-color": colour, "fill-opacity": 0.25 } },
  ];
}

/** Where trips begin and end. */
export function densityLayer(): RasterLayerSpecification {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  return {
    id: "density",
    type: "raster",
    source: "density",
    // The pictures are white.
    paint: {
      "raster-brightness-min": 0,
      "raster-brightness-max": isDark ? 0.85 : 0.18,
      "raster-opacity": isDark ? 0.8 : 0.7,
      "raster-fade-duration": 0,
    },
  };
}

/** All sources, empty, and the layers that are always there. */
export function style(): StyleSpecification {
  const data = (): { type: "geojson"; data: FeatureCollection } => ({ type: "geojson", data: EMPTY });
  const pickup = css("--pickup");
  const dropoff = css("--dropoff");
  const wide = (most: number): ExpressionSpecification => ["+", ["case", isMarked, 3.5, 1.2], ["*", most, ["get", "width"]]];
  const endColour: ExpressionSpecification = ["match", ["get", "end"], "from", pickup, dropoff];
  return {
    version: 8,
    sources: {
      land: { ...data(), maxzoom: 8 },
      zones: data(),
      places: data(),
      flows: { ...data(), lineMetrics: true, tolerance: 0, buffer: 64 },
      ends: data(),
      trips: data(),
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": css("--sea") } },
      { id: "land", type: "fill", source: "land", filter: ["==", "kind", "land"], paint: { "fill-color": css("--land") } },
      {
        id: "border",
        type: "line",
        source: "land",
        filter: ["==", "kind", "border"],
        paint: { "line-color": css("--border"), "line-width": 1 },
      },
      {
        id: "zones",
        type: "line",
        source: "zones",
        paint: { "line-color": css("--quiet"), "line-width": 1.2, "line-dasharray": [3, 2] },
      },
      {
        id: "places",
        type: "symbol",
        source: "places",
        // A tile holds only so many letters.
        filter: [">=", ["get", "population"], ["step", ["zoom"], 250_000, 6, 60_000, 7, 30_000, 8, 12_000, 9, 5000, 10, 0]],
        layout: {
          "text-field": ["get", "name"],
          "text-font": ["system-ui"],
          "text-size": ["interpolate", ["linear"], ["get", "population"], 1000, 10.5, 100000, 13, 3000000, 17],
          "symbol-sort-key": ["-", ["get", "population"]],
          "text-padding": 6,
        },
        paint: { "text-color": css("--label"), "text-halo-color": css("--halo"), "text-halo-width": 1.4 },
      },
      {
        id: "flows",
        type: "line",
        source: "flows",
        layout: { "line-cap": "round", "line-join": "round", "line-sort-key": ["-", ["get", "rank"]] },
        paint: {
          "line-gradient": ["interpolate", ["linear"], ["line-progress"], 0, pickup, 0.35, pickup, 0.75, dropoff, 1, dropoff],
          "line-width": ["interpolate", ["linear"], ["zoom"], 8, wide(2.5), 13, wide(8), 16, wide(14)],
          "line-opacity": opacity(false),
        },
      },
      {
        id: "trips",
        type: "circle",
        source: "trips",
        paint: { "circle-radius": 3, "circle-color": endColour, "circle-opacity": 0.55 },
      },
      {
        id: "ends",
        type: "circle",
        source: "ends",
        minzoom: 9,
        paint: {
          "circle-radius": ["interpolate", ["linear"], ["zoom"], 9, 1.5, 13, ["+", 2.5, ["*", 3, ["get", "width"]]]],
          "circle-color": ["match", ["get", "end"], "from", css("--paper"), dropoff],
          "circle-stroke-color": endColour,
          "circle-stroke-width": 1.6,
        },
      },
    ],
  };
}
