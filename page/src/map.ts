// The map: land, places and the density of trips below, shifts or clusters as flows above.
import {
  addProtocol,
  AttributionControl,
  LngLatBounds,
  Map as MapLibre,
  NavigationControl,
  setWorkerUrl,
  type AllPaintProperties,
  type ExpressionSpecification,
  type FillLayerSpecification,
  type GeoJSONSource,
  type LineLayerSpecification,
  type MapMouseEvent,
  type RasterLayerSpecification,
  type StyleSpecification,
} from "maplibre-gl";
import type { Feature, FeatureCollection, LineString, Point } from "geojson";

import { ROOT, type Zone } from "./api";
import { css, debounce } from "./dom";
import { t } from "./i18n";
import type { Position } from "./view";

declare const __LAND__: string;
declare const __PLACES__: string;

/** What is drawn from a pickup to a drop-off. */
export interface Flow {
  /** Its place among all flows that are drawn, from 1. */
  rank: number;
  from: Position;
  to: Position;
  /** Riders or trips, for the width. */
  weight: number;
  /** Particulars, a line each. */
  lines: string[];
}
interface Listeners {
  moved: (at: [number, number, number]) => void;
  hovered: (flow: Flow | null, x: number, y: number) => void;
  chosen: (flow: Flow | null) => void;
}

const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };
const NEAR_PIXELS = 5;
const CURVE_STEPS = 14;
/** How far a flow bends to the right of its straight line: opposite flows stay apart. */
const BEND = 0.16;
const CELL_DEGREES = 10;
const MAX_CELLS = 6;
const CELLS_FROM_ZOOM = 6;
/** Of no cells. */
const UNREAD = "none";
const DENSITY_MAX_ZOOM = 14;
const FIT = { padding: 40, maxZoom: 14 } as const;

type Place = [string, number, number, number];

export class TripMap {
  readonly map: MapLibre;
  /** Resolves when sources and layers are there. */
  readonly ready: Promise<void>;
  /** Whether a tool is at work, so that flows ignore the pointer. */
  busy = false;
  private flows: Flow[] = [];
  private hovered: number | null = null;
  private chosen: number | null = null;
  private cells: Record<string, string> | null = null;
  private readonly places = new globalThis.Map<string, Place[]>();
  private shownCells = "";
  private density = "";

  constructor(container: HTMLElement, at: [number, number, number] | null, private readonly listeners: Listeners) {
    setWorkerUrl(document.querySelector<HTMLMetaElement>("meta[name=worker]")?.content ?? "");
    this.map = new MapLibre({
      container,
      style: style(),
      center: at ? [at[0], at[1]] : [10, 48],
      zoom: at ? at[2] : 3,
      maxZoom: 18,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 0,
      locale: { "Map.Title": t("canvas") },
    });
    const canvas = this.map.getCanvas();
    // The section around it is the region.
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", t("canvas"));
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new AttributionControl({ compact: true, customAttribution: t("attribution") }), "bottom-right");
    this.ready = new Promise((resolve) => this.map.once("style.load", () => resolve()));
    // A tile that fails is asked for again with the next movement; nobody has to do anything.
    this.map.on("error", ({ error }) => console.info(error.message));
    this.map.on("moveend", () => {
      const { lng, lat } = this.map.getCenter();
      this.listeners.moved([round(lng, 5), round(lat, 5), round(this.map.getZoom(), 2)]);
    });
    this.map.on("moveend", debounce(200, () => this.shownCells && void this.showPlaces()));
    this.map.on("mousemove", (event) => this.hover(event));
    this.map.on("mouseout", () => this.setHovered(null, 0, 0));
    this.map.on("click", (event) => {
      if (!this.busy) this.listeners.chosen(this.at(event));
    });
    // What matters less comes after the first picture.
    this.map.once("idle", () => {
      void this.showStreets();
      this.source("land").setData(location.origin + __LAND__);
      void this.showPlaces();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
  }

  show(bounds: [number, number, number, number]): void {
    const [west, south, east, north] = bounds;
    this.map.fitBounds(new LngLatBounds([west, south], [east, north]), { ...FIT, duration: 0 });
  }

  /** Moves only if the flow is not in view. */
  reveal(flow: Flow): void {
    const bounds = this.map.getBounds();
    if (bounds.contains(flow.from) && bounds.contains(flow.to)) return;
    const around = new LngLatBounds(flow.from, flow.from).extend(flow.to);
    const animate = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.map.fitBounds(around, { ...FIT, padding: 90, animate });
  }

  setFlows(flows: Flow[]): void {
    this.flows = flows;
    const heaviest = Math.max(1, ...flows.map(({ weight }) => weight));
    const width = (weight: number) => Math.sqrt(weight / heaviest);
    this.source("flows").setData({
      type: "FeatureCollection",
      features: flows.map((flow) => ({
        type: "Feature",
        id: flow.rank,
        properties: { width: width(flow.weight), rank: flow.rank },
        geometry: { type: "LineString", coordinates: curve(flow.from, flow.to) },
      })) satisfies Feature<LineString>[],
    });
    this.source("ends").setData({
      type: "FeatureCollection",
      features: flows.flatMap((flow) =>
        (["from", "to"] as const).map((end) => ({
          type: "Feature",
          properties: { end, width: width(flow.weight), rank: flow.rank },
          geometry: { type: "Point", coordinates: flow[end] },
        })),
      ) as Feature<Point>[],
    });
  }

  /** Emphasises a flow, from the list or the map. */
  choose(rank: number | null): void {
    this.mark("chosen", this.chosen, rank);
    this.chosen = rank;
    if (this.map.getLayer("flows")) this.map.setPaintProperty("flows", "line-opacity", opacity(rank !== null));
  }

  /** Emphasises a flow while it is pointed at or has the focus. */
  point(rank: number | null): void {
    this.mark("hovered", this.hovered, rank);
    this.hovered = rank;
  }

  /** Where the trips of a chosen shift begin and end. */
  setTrips(trips: { origin: Position; destination: Position }[]): void {
    this.source("trips").setData({
      type: "FeatureCollection",
      features: trips.flatMap(({ origin, destination }) =>
        [origin, destination].map((coordinates, end) => ({
          type: "Feature",
          properties: { end: end ? "to" : "from" },
          geometry: { type: "Point", coordinates },
        })),
      ) as Feature<Point>[],
    });
  }

  setZones(zones: Zone[]): void {
    this.source("zones").setData({ type: "FeatureCollection", features: zones });
  }

  /** Draws the density of a region; `version` changes with its trips. */
  setDensity(region: string, version: string): void {
    // The version is a fragment, which is not sent: it makes the map ask again, and the answer may be "not modified".
    const url = `${location.origin}${ROOT}/trips/density/{z}/{x}/{y}?region=${encodeURIComponent(region)}#${version}`;
    if (url === this.density) return;
    this.density = url;
    if (this.map.getSource("density")) {
      this.map.removeLayer("density");
      this.map.removeSource("density");
    }
    this.map.addSource("density", { type: "raster", tiles: [url], tileSize: 512, maxzoom: DENSITY_MAX_ZOOM });
    this.map.addLayer(densityLayer(), "zones");
  }

  private source(name: string): GeoJSONSource {
    return this.map.getSource(name) as GeoJSONSource;
  }

  private mark(state: string, before: number | null, now: number | null): void {
    if (!this.map.getSource("flows")) return;
    if (before !== null) this.map.setFeatureState({ source: "flows", id: before }, { [state]: false });
    if (now !== null) this.map.setFeatureState({ source: "flows", id: now }, { [state]: true });
  }

  private at({ point }: MapMouseEvent): Flow | null {
    const { x, y } = point;
    const near: [[number, number], [number, number]] = [
      [x - NEAR_PIXELS, y - NEAR_PIXELS],
      [x + NEAR_PIXELS, y + NEAR_PIXELS],
    ];
    const ranks = this.map.queryRenderedFeatures(near, { layers: ["flows"] }).map(({ properties }) => properties.rank as number);
    return ranks.length ? (this.flows.find(({ rank }) => rank === Math.min(...ranks)) ?? null) : null;
  }

  private hover(event: MapMouseEvent): void {
    if (this.busy || event.originalEvent.buttons) return this.setHovered(null, 0, 0);
    const found = this.at(event);
    this.setHovered(found, event.point.x, event.point.y);
    this.map.getCanvas().classList.toggle("pointing", found !== null);
  }

  private setHovered(flow: Flow | null, x: number, y: number): void {
    this.point(flow?.rank ?? null);
    this.listeners.hovered(flow, x, y);
  }

  /** Names of places in view, from the files of the cells around. */
  private async showPlaces(): Promise<void> {
    const keys = this.map.getZoom() < CELLS_FROM_ZOOM ? ["world"] : this.cellsInView();
    if (keys.join(" ") === this.shownCells) return;
    this.shownCells = keys.join(" ");
    try {
      await this.readPlaces(keys);
    } catch {
      // The service is away. The map does without names until it is moved again.
      this.shownCells = UNREAD;
      return;
    }
    if (keys.join(" ") !== this.shownCells) return;
    this.source("places").setData({
      type: "FeatureCollection",
      features: keys
        .flatMap((key) => this.places.get(key) ?? [])
        .map(([name, lon, lat, population]) => ({
          type: "Feature",
          properties: { name, population },
          geometry: { type: "Point", coordinates: [lon, lat] },
        })),
    });
  }

  private async readPlaces(keys: string[]): Promise<void> {
    this.cells ??= (await (await fetch(__PLACES__)).json()) as Record<string, string>;
    const cells = this.cells;
    await Promise.all(
      keys.map(async (key) => {
        const file = cells[key];
        if (file && !this.places.has(key)) this.places.set(key, (await (await fetch(file)).json()) as Place[]);
      }),
    );
  }

  /** A city map, if the service has one: the layers of Protomaps. */
  private async showStreets(): Promise<void> {
    const file = document.querySelector<HTMLMetaElement>("meta[name=basemap]")?.content;
    if (!file) return;
    const { Protocol } = await import("pmtiles");
    addProtocol("pmtiles", new Protocol().tile);
    this.map.addSource("streets", { type: "vector", url: `pmtiles://${location.origin}${file}` });
    for (const layer of streetLayers()) this.map.addLayer(layer, this.map.getLayer("density") ? "density" : "zones");
  }

  private cellsInView(): string[] {
    const bounds = this.map.getBounds();
    const cell = (degrees: number) => Math.floor(degrees / CELL_DEGREES);
    const keys: string[] = [];
    for (let x = cell(bounds.getWest()); x <= cell(bounds.getEast()); x++) {
      for (let y = cell(bounds.getSouth()); y <= cell(bounds.getNorth()); y++) keys.push(`${x},${y}`);
    }
    return keys.length > MAX_CELLS ? ["world"] : keys;
  }

  private recolour(): void {
    for (const layer of [...style().layers, ...streetLayers(), densityLayer()]) {
      if (!this.map.getLayer(layer.id)) continue;
      for (const [name, value] of Object.entries(layer.paint ?? {})) {
        this.map.setPaintProperty(layer.id, name as keyof AllPaintProperties, value);
      }
    }
    this.choose(this.chosen);
  }
}

/** A curve that bends to the right of its direction. */
function curve(from: Position, to: Position): Position[] {
  // Degrees of longitude are shorter than those of latitude.
  const scale = Math.max(0.05, Math.cos((from[1] * Math.PI) / 180));
  const dx = (to[0] - from[0]) * scale;
  const dy = to[1] - from[1];
  const middle: Position = [(from[0] + to[0]) / 2 + (dy * BEND * 2) / scale, (from[1] + to[1]) / 2 - dx * BEND * 2];
  return Array.from({ length: CURVE_STEPS + 1 }, (_, step) => {
    const u = step / CURVE_STEPS;
    const mix = (axis: 0 | 1) => (1 - u) ** 2 * from[axis] + 2 * u * (1 - u) * middle[axis] + u ** 2 * to[axis];
    return [mix(0), mix(1)];
  });
}

const isMarked: ExpressionSpecification = [
  "any",
  ["boolean", ["feature-state", "hovered"], false],
  ["boolean", ["feature-state", "chosen"], false],
];

/** Beside a chosen flow the others step back. */
function opacity(isOneChosen: boolean): ExpressionSpecification {
  return ["case", isMarked, 1, isOneChosen ? 0.2 : 0.62];
}

function round(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals;
}

function streetLayers(): (FillLayerSpecification | LineLayerSpecification)[] {
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

function densityLayer(): RasterLayerSpecification {
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

function style(): StyleSpecification {
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
