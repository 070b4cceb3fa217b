// Drawing an area on the map: a box or a polygon whose corners can be dragged, and its corners as numbers.
import type { TripMap } from "./map";
import { byId, css, h } from "./dom";
import { t } from "./i18n";
import { onChange, update, view, type Area, type Position } from "./view";

type Drawing = import("terra-draw").TerraDraw;
type Mode = "rectangle" | "polygon";

const DECIMALS = 6;
const FILL = 0.1;
const SIDES = ["west", "south", "east", "north"] as const;
const BUTTONS: Record<Mode, HTMLButtonElement> = { rectangle: byId("draw-box"), polygon: byId("draw-polygon") };

export class AreaTool {
  private drawing: Drawing | null = null;
  private loading: Promise<Drawing> | null = null;
  /** The area that the map shows already. */
  private drawn: Area | null = null;
  private isQuiet = false;
  /** Where the pointer went down to draw a box. The library begins where it moved to next, which is elsewhere if it is quick. */
  private pressed: Position | null = null;

  constructor(private readonly trips: TripMap) {
    for (const [mode, button] of Object.entries(BUTTONS) as [Mode, HTMLButtonElement][]) {
      // A click by keyboard has no detail: nobody can draw then, so the area begins in the middle of the map.
      button.addEventListener("click", (event) => void (event.detail === 0 ? this.place(mode) : this.start(mode)));
    }
    byId("clear").addEventListener("click", () => this.clear());
    trips.map.getCanvasContainer().addEventListener("pointerdown", (event) => this.press(event), { capture: true });
    addEventListener("keydown", (event) => event.key === "Escape" && this.stop());
    onChange((changed) => changed.has("area") && this.follow());
    this.follow();
    void trips.ready.then(() => this.open());
  }

  /** Loads the library that draws, after the map. */
  private open(): Promise<Drawing> {
    this.loading ??= load(this.trips).then((drawing) => {
      this.drawing = drawing;
      drawing.on("change", (ids, type) => this.changed(ids, type));
      drawing.on("finish", (id) => this.finish(id));
      this.follow();
      return drawing;
    });
    return this.loading;
  }

  private async start(mode: Mode): Promise<void> {
    const drawing = await this.open();
    const isOn = BUTTONS[mode].getAttribute("aria-pressed") === "true";
    this.stop();
    if (isOn) return;
    this.clear();
    this.trips.busy = true;
    drawing.setMode(mode);
    BUTTONS[mode].setAttribute("aria-pressed", "true");
    byId("hint").textContent = t(mode === "rectangle" ? "hint-box" : "hint-polygon");
  }

  private press(event: PointerEvent): void {
    if (!this.trips.busy || this.drawn !== null) return;
    const { left, top } = this.trips.map.getCanvasContainer().getBoundingClientRect();
    const { lng, lat } = this.trips.map.unproject([event.clientX - left, event.clientY - top]);
    this.pressed = [lng, lat];
  }

  private place(mode: Mode): void {
    const bounds = this.trips.map.getBounds();
    const [west, east] = [0.3, 0.7].map((share) => rounded(bounds.getWest() + share * (bounds.getEast() - bounds.getWest())));
    const [south, north] = [0.3, 0.7].map((share) => rounded(bounds.getSouth() + share * (bounds.getNorth() - bounds.getSouth())));
    const bbox: [number, number, number, number] = [west!, south!, east!, north!];
    this.stop();
    update({ area: mode === "rectangle" ? { kind: "bbox", bbox } : { kind: "polygon", ring: ringOf(bbox) } });
  }

  private stop(): void {
    if (!this.trips.busy) return;
    this.trips.busy = false;
    for (const button of Object.values(BUTTONS)) button.setAttribute("aria-pressed", "false");
    byId("hint").textContent = "";
    this.quietly(() => this.drawing?.setMode("select"));
    if (view.area === null) this.erase();
  }

  private clear(): void {
    update({ area: null });
    byId("hint").textContent = "";
    this.erase();
  }

  private erase(): void {
    this.drawn = null;
    this.pressed = null;
    this.quietly(() => this.drawing?.clear());
  }

  /** What the page itself does to the drawing is no news for it. */
  private quietly(act: () => void): void {
    this.isQuiet = true;
    act();
    this.isQuiet = false;
  }

  /** Follows every movement of a corner. */
  private changed(ids: (string | number)[], type: string): void {
    if (this.isQuiet || (type !== "create" && type !== "update")) return;
    const feature = this.drawing?.getSnapshot().find(({ id, properties }) => id !== undefined && ids.includes(id) && isShape(properties));
    if (feature?.geometry.type !== "Polygon") return;
    const mode = feature.properties.mode as Mode;
    const ring = feature.geometry.coordinates[0] as Position[];
    const begun = mode === "rectangle" && this.trips.busy && this.pressed;
    const area = areaOf(mode, begun ? [begun, ring[2]!] : ring);
    if (area === null) return;
    this.drawn = area;
    update({ area });
  }

  private finish(id: string | number): void {
    if (!this.trips.busy) return;
    // Not within the event: the library is still at work on the shape.
    setTimeout(() => {
      this.stop();
      if (view.area === null) return;
      if (this.pressed === null) this.drawing?.selectFeature(id);
      else {
        // Draws the box from where it was begun.
        this.erase();
        this.follow();
      }
      byId("hint").textContent = t("hint-edit");
    });
  }

  /** Shows an area that came from elsewhere: the address, the keyboard, the numbers. */
  private follow(): void {
    const { area } = view;
    byId<HTMLButtonElement>("clear").disabled = area === null;
    this.showCorners(area);
    if (this.drawing === null || JSON.stringify(area) === JSON.stringify(this.drawn)) return;
    if (this.trips.busy && area === null) return;
    this.erase();
    if (area === null || area.kind === "zone") return;
    this.drawn = area;
    const mode: Mode = area.kind === "bbox" ? "rectangle" : "polygon";
    const coordinates = [area.kind === "bbox" ? ringOf(area.bbox) : area.ring];
    const feature = { type: "Feature", properties: { mode }, geometry: { type: "Polygon", coordinates } } as const;
    const { drawing } = this;
    this.quietly(() => {
      const [added] = drawing.addFeatures([feature]);
      drawing.setMode("select");
      if (added?.valid && added.id !== undefined) drawing.selectFeature(added.id);
    });
  }

  private showCorners(area: Area | null): void {
    const fields = byId("corners");
    if (area?.kind === "polygon") {
      fields.replaceChildren(h("p", { class: "quiet" }, area.ring.slice(0, -1).map((point) => point.join(" ")).join(", ")));
      return;
    }
    const bbox = area?.kind === "bbox" ? area.bbox : null;
    if (fields.childElementCount !== SIDES.length || fields.querySelector("p")) {
      const inputs = SIDES.map((side) =>
        h("label", {}, t(side), h("input", { type: "number", step: "0.001", name: side, onchange: () => this.readCorners() })),
      );
      fields.replaceChildren(...inputs);
    }
    fields.querySelectorAll("input").forEach((input, side) => {
      if (input !== document.activeElement) input.value = bbox ? String(bbox[side]) : "";
    });
  }

  private readCorners(): void {
    const inputs = [...byId("corners").querySelectorAll("input")];
    const [west, south, east, north] = inputs.map((input) => (input.value === "" ? Number.NaN : Number(input.value)));
    if (![west, south, east, north].every(Number.isFinite)) return;
    const isValid = south! <= north! && [west, east].every((x) => Math.abs(x!) <= 180) && [south, north].every((y) => Math.abs(y!) <= 90);
    if (isValid) update({ area: { kind: "bbox", bbox: [west!, south!, east!, north!] } });
  }
}

async function load(trips: TripMap): Promise<Drawing> {
  const [library, { TerraDrawMapLibreGLAdapter }] = await Promise.all([
    import("terra-draw"),
    import("terra-draw-maplibre-gl-adapter"),
  ]);
  const corner = { draggable: true } as const;
  const colour = (css("--accent") || "#0b5cad") as `#${string}`;
  const shape = { fillColor: colour, fillOpacity: FILL, outlineColor: colour, outlineWidth: 2 };
  const selected = {
    selectedPolygonColor: colour,
    selectedPolygonFillOpacity: FILL,
    selectedPolygonOutlineColor: colour,
    selectedPolygonOutlineWidth: 2,
    selectionPointColor: colour,
    midPointColor: colour,
  };
  const drawing = new library.TerraDraw({
    adapter: new TerraDrawMapLibreGLAdapter({ map: trips.map, coordinatePrecision: 9 }),
    modes: [
      new library.TerraDrawRectangleMode({ drawInteraction: "click-move-or-drag", styles: shape }),
      new library.TerraDrawPolygonMode({ styles: shape }),
      new library.TerraDrawSelectMode({
        styles: selected,
        flags: {
          rectangle: { feature: { draggable: true, coordinates: { resizable: "opposite" } } },
          polygon: { feature: { draggable: true, coordinates: { ...corner, midpoints: true, deletable: true } } },
        },
      }),
    ],
  });
  drawing.start();
  drawing.setMode("select");
  return drawing;
}

function isShape(properties: Record<string, unknown>): boolean {
  return properties.mode === "rectangle" || properties.mode === "polygon";
}

/** null for a shape that has no surface yet. */
function areaOf(mode: Mode, ring: Position[]): Area | null {
  const points = ring.map(([lon, lat]): Position => [rounded(lon), rounded(lat)]);
  const [lons, lats] = [points.map(([lon]) => lon), points.map(([, lat]) => lat)];
  const bbox: [number, number, number, number] = [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
  if (bbox[0] === bbox[2] || bbox[1] === bbox[3]) return null;
  if (mode === "rectangle") return { kind: "bbox", bbox };
  return new Set(points.map(String)).size < 3 ? null : { kind: "polygon", ring: points };
}

function ringOf([west, south, east, north]: [number, number, number, number]): Position[] {
  return [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
}

function rounded(degrees: number): number {
  return Math.round(degrees * 10 ** DECIMALS) / 10 ** DECIMALS;
}
