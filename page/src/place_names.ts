// Names of places on the map, read from the files of the cells in view.
import type { GeoJSONSource, Map as MapLibre } from "maplibre-gl";

declare const __PLACES__: string;

const CELL_DEGREES = 10;
const MAX_CELLS = 6;
const CELLS_FROM_ZOOM = 6;
/** Of no cells. */
const UNREAD = "none";

/** Name, longitude, latitude and population. */
type Place = [string, number, number, number];

export class PlaceNames {
  private files: Record<string, string> | null = null;
  private readonly places = new Map<string, Place[]>();
  private shown = "";

  constructor(private readonly map: MapLibre) {}

  /** Follows a movement of the map, once names are shown. */
  follow(): void {
    if (this.shown) void this.show();
  }

  /** Shows the names in view. */
  async show(): Promise<void> {
    const keys = this.map.getZoom() < CELLS_FROM_ZOOM ? ["world"] : this.cellsInView();
    if (keys.join(" ") === this.shown) return;
    this.shown = keys.join(" ");
    try {
      await this.read(keys);
    } catch {
      // The service is away. The map does without names until it is moved again.
      this.shown = UNREAD;
      return;
    }
    if (keys.join(" ") !== this.shown) return;
    this.map.getSource<GeoJSONSource>("places")?.setData({
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

  private async read(keys: string[]): Promise<void> {
    this.files ??= (await (await fetch(__PLACES__)).json()) as Record<string, string>;
    const files = this.files;
    await Promise.all(
      keys.map(async (key) => {
        const file = files[key];
        if (file && !this.places.has(key)) this.places.set(key, (await (await fetch(file)).json()) as Place[]);
      }),
    );
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
}
