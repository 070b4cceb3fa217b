// The map: land, places and the density of trips below, shifts or clusters as flows above.
import {
  addProtocol,
  AttributionControl,
  LngLatBounds,
  Map as MapLibre,
  NavigationControl,
  setWorkerUrl,
  type AllPaintProperties,
  type GeoJSONSource,
  type MapMouseEvent,
} from "maplibre-gl";
import type { Feature, LineString, Point } from "geojson";

import { ROOT, type Zone } from "./api";
import { debounce } from "./dom";
import { t } from "./i18n";
import { densityLayer, opacity, streetLayers, style } from "./layers";
import { PlaceNames } from "./place_names";
import type { Position } from "./view";

declare const __LAND__: string;

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

const NEAR_PIXELS = 5;
const CURVE_STEPS = 14;
/** How far a flow bends to the right of its straight line: opposite flows stay apart. */
const BEND = 0.16;
const DENSITY_MAX_ZOOM = 14;
const FIT = { padding: 40, maxZoom: 14 } as const;

export class TripMap {
  readonly map: MapLibre;
  /** Resolves when sources and layers are there. */
  readonly ready: Promise<void>;
  /** Whether a tool is at work, so that flows ignore the pointer. */
  busy = false;
  private flows: Flow[] = [];
  private hovered: number | null = null;
  private chosen: number | null = null;
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
    const names = new PlaceNames(this.map);
    this.map.on("moveend", debounce(200, () => names.follow()));
    this.map.on("mousemove", (event) => this.hover(event));
    this.map.on("mouseout", () => this.setHovered(null, 0, 0));
    this.map.on("click", (event) => {
      if (!this.busy) this.listeners.chosen(this.at(event));
    });
    // What matters less comes after the first picture.
    this.map.once("idle", () => {
      container.removeAttribute("aria-busy");
      void this.showStreets();
      this.source("land").setData(location.origin + __LAND__);
      void names.show();
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

  /** A city map, if the service has one. */
  private async showStreets(): Promise<void> {
    const file = document.querySelector<HTMLMetaElement>("meta[name=basemap]")?.content;
    if (!file) return;
    const { Protocol } = await import("pmtiles");
    addProtocol("pmtiles", new Protocol().tile);
    this.map.addSource("streets", { type: "vector", url: `pmtiles://${location.origin}${file}` });
    for (const layer of streetLayers()) this.map.addLayer(layer, this.map.getLayer("density") ? "density" : "zones");
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

function round(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals;
}
