// The words of the page in English and Spanish, by the browser's language, and its numbers and dates.

const english = {
  "title": "Shifts",
  "skip": "Skip to the numbers",
  "region": "Region",
  "week": "Week",
  "newest": "newest",
  "flows": "Flows",
  "shifts": "Shifts",
  "clusters": "Clusters",
  "map": "Map",
  "canvas": "Trips and flows: arrow keys move, plus and minus zoom",
  "draw-box": "Draw a box",
  "draw-polygon": "Draw a polygon",
  "clear": "Clear",
  "hint-box": "Click two opposite corners, or drag.",
  "hint-polygon": "Click each corner; click the first one again to finish.",
  "hint-edit": "Drag the corners or the whole area.",
  "legend-pickup": "pickup",
  "legend-dropoff": "drop-off",
  "legend-width": "width: riders a departure",
  "legend-width-clusters": "width: trips",
  "legend-density": "grey: where trips begin and end",
  "area": "Area",
  "mean": "Mean trips a week",
  "mean-none": "Draw a box or a polygon to count its trips.",
  "mean-details": "{total} trips in {weeks} weeks",
  "mean-no-trips": "No trip matches.",
  "counting": "counting…",
  "stale": "This number is older than the filters: {reason}",
  "zone": "Zone",
  "no-zone": "none",
  "match": "Match",
  "match-both": "both ends",
  "match-origin": "start",
  "match-destination": "end",
  "match-any": "either end",
  "weekdays": "Days",
  "time": "Starts between",
  "time-from": "Starts from",
  "time-until": "Starts before",
  "whole-day": "whole day",
  "divisor": "Mean over",
  "divisor-active": "weeks with such trips",
  "divisor-span": "all weeks",
  "divisor-full": "complete weeks",
  "since": "First counted",
  "until": "Last counted",
  "any": "any",
  "corners": "Corners in degrees",
  "west": "West",
  "south": "South",
  "east": "East",
  "north": "North",
  "copy-curl": "Copy as curl",
  "copy-link": "Copy link",
  "save-csv": "Save as CSV",
  "copied": "Copied.",
  "weekly": "Weekly trips",
  "weekly-none": "Trips by week appear here for the area that you draw.",
  "weekly-chart": "{weeks} weeks, {least} to {most} trips",
  "show-table": "Show as a table",
  "trips": "Trips",
  "profile": "Profile by day and hour",
  "profile-caption": "Trips by day and hour of their start",
  "list": "Shifts",
  "list-none": "No shifts yet for this place and time. They are made from the clusters of several weeks.",
  "list-count": "{shown} of {total} shown",
  "list-area": "Only in the area",
  "list-more": "Show more",
  "rank": "Rank",
  "days": "Days",
  "departs": "Departs",
  "riders": "Riders",
  "regularity": "Regularity",
  "status": "Status",
  "status-new": "new",
  "status-continuing": "continuing",
  "status-ending": "ending",
  "coverage": "{shifts} shifts with {departures} departures a week serve {share} of the trips",
  "coverage-chart": "Share of trips served by the number of shifts",
  "shown": "How many are shown",
  "day": "Day",
  "fleet": "{vehicles} vehicles for {departures} departures",
  "fleet-none": "No departures on this day.",
  "downloads": "Download",
  "history": "History",
  "riders-expected": "{riders} riders expected ({low} to {high})",
  "walk": "Walk {pickup} m to the pickup, {dropoff} m from the drop-off",
  "from-to": "{from} to {to}",
  "a-point": "a point on the map",
  "trips-by-day": "Trips by day",
  "close": "Close",
  "open-shift": "Shift {rank}: {days} at {departs}, {riders} riders",
  "live": "Live",
  "upload": "Upload",
  "drop-here": "Drop the file to load its trips",
  "drop-hint": "or drop a CSV or Parquet file anywhere on this page",
  "sending": "{name}: sending",
  "queued": "{name}: queued",
  "loading": "{name}: {rows} rows read",
  "loaded": "{name}: {rows} trips loaded, {rejects} rejected",
  "loaded-uncounted": "{name}: loaded",
  "failed": "{name}: {reason}",
  "rejects": "Rejected rows",
  "line": "Line",
  "reason": "Reason",
  "row": "Row",
  "feed": "Events",
  "feed-none": "Nothing has happened yet.",
  "connected": "live",
  "connecting": "connecting…",
  "lost": "connection lost, trying again",
  "resumed": "live again, nothing was missed",
  "offline": "The service cannot be reached. What you see may be old; this page tries again.",
  "in-dagster": "Open in Dagster",
  "empty-title": "No trips yet",
  "empty-text": "Drop a CSV file anywhere on this page. It needs the columns region, origin_coord, destination_coord, datetime and datasource; coordinates are POINT (lon lat).",
  "sample": "Load a generated sample",
  "sign-in": "Sign in",
  "sign-in-text": "This service needs an API key.",
  "key": "API key",
  "wrong-key": "This key is not known.",
  "sign-out": "Sign out",
  "licenses": "Licenses",
  "radius": "Radius {metres} m",
  "no-webgl": "This browser cannot draw the map (WebGL is missing). Numbers and lists work without it.",
  "error": "Error: {message}",
  "attribution": "Natural Earth, GeoNames (CC BY 4.0)",
} as const;
export type Word = keyof typeof english;

const spanish: Record<Word, string> = {
  "title": "Shifts",
  "skip": "Ir a los números",
  "region": "Región",
  "week": "Semana",
  "newest": "la más reciente",
  "flows": "Flujos",
  "shifts": "Turnos",
  "clusters": "Grupos",
  "map": "Mapa",
  "canvas": "Viajes y flujos: las flechas mueven, más y menos acercan y alejan",
  "draw-box": "Dibujar un rectángulo",
  "draw-polygon": "Dibujar un polígono",
  "clear": "Borrar",
  "hint-box": "Pulse dos esquinas opuestas, o arrastre.",
  "hint-polygon": "Pulse cada esquina; pulse otra vez la primera para terminar.",
  "hint-edit": "Arrastre las esquinas o el área entera.",
  "legend-pickup": "recogida",
  "legend-dropoff": "destino",
  "legend-width": "ancho: pasajeros por salida",
  "legend-width-clusters": "ancho: viajes",
  "legend-density": "gris: dónde empiezan y acaban los viajes",
  "area": "Área",
  "mean": "Media de viajes por semana",
  "mean-none": "Dibuje un rectángulo o un polígono para contar sus viajes.",
  "mean-details": "{total} viajes en {weeks} semanas",
  "mean-no-trips": "Ningún viaje coincide.",
  "counting": "contando…",
  "stale": "Este número es anterior a los filtros: {reason}",
  "zone": "Zona",
  "no-zone": "ninguna",
  "match": "Coincidencia",
  "match-both": "ambos extremos",
  "match-origin": "inicio",
  "match-destination": "fin",
  "match-any": "un extremo",
  "weekdays": "Días",
  "time": "Empieza entre",
  "time-from": "Empieza desde",
  "time-until": "Empieza antes de",
  "whole-day": "todo el día",
  "divisor": "Media sobre",
  "divisor-active": "semanas con tales viajes",
  "divisor-span": "todas las semanas",
  "divisor-full": "semanas completas",
  "since": "Primera contada",
  "until": "Última contada",
  "any": "cualquiera",
  "corners": "Esquinas en grados",
  "west": "Oeste",
  "south": "Sur",
  "east": "Este",
  "north": "Norte",
  "copy-curl": "Copiar como curl",
  "copy-link": "Copiar enlace",
  "save-csv": "Guardar como CSV",
  "copied": "Copiado.",
  "weekly": "Viajes por semana",
  "weekly-none": "Aquí aparecen los viajes por semana del área que dibuje.",
  "weekly-chart": "{weeks} semanas, de {least} a {most} viajes",
  "show-table": "Mostrar como tabla",
  "trips": "Viajes",
  "profile": "Perfil por día y hora",
  "profile-caption": "Viajes por día y hora de inicio",
  "list": "Turnos",
  "list-none": "Aún no hay turnos para este lugar y momento. Se hacen a partir de los grupos de varias semanas.",
  "list-count": "{shown} de {total} mostrados",
  "list-area": "Solo en el área",
  "list-more": "Mostrar más",
  "rank": "Puesto",
  "days": "Días",
  "departs": "Sale",
  "riders": "Pasajeros",
  "regularity": "Regularidad",
  "status": "Estado",
  "status-new": "nuevo",
  "status-continuing": "continúa",
  "status-ending": "termina",
  "coverage": "{shifts} turnos con {departures} salidas por semana sirven el {share} de los viajes",
  "coverage-chart": "Parte de los viajes servidos según el número de turnos",
  "shown": "Cuántos se muestran",
  "day": "Día",
  "fleet": "{vehicles} vehículos para {departures} salidas",
  "fleet-none": "No hay salidas este día.",
  "downloads": "Descargar",
  "history": "Historia",
  "riders-expected": "{riders} pasajeros previstos (de {low} a {high})",
  "walk": "A pie {pickup} m hasta la recogida, {dropoff} m desde el destino",
  "from-to": "De {from} a {to}",
  "a-point": "un punto del mapa",
  "trips-by-day": "Viajes por día",
  "close": "Cerrar",
  "open-shift": "Turno {rank}: {days} a las {departs}, {riders} pasajeros",
  "live": "En vivo",
  "upload": "Subir",
  "drop-here": "Suelte el archivo para cargar sus viajes",
  "drop-hint": "o suelte un archivo CSV o Parquet en cualquier parte de esta página",
  "sending": "{name}: enviando",
  "queued": "{name}: en cola",
  "loading": "{name}: {rows} filas leídas",
  "loaded": "{name}: {rows} viajes cargados, {rejects} rechazados",
  "loaded-uncounted": "{name}: cargado",
  "failed": "{name}: {reason}",
  "rejects": "Filas rechazadas",
  "line": "Línea",
  "reason": "Motivo",
  "row": "Fila",
  "feed": "Sucesos",
  "feed-none": "Aún no ha pasado nada.",
  "connected": "en vivo",
  "connecting": "conectando…",
  "lost": "conexión perdida, reintentando",
  "resumed": "en vivo otra vez, no se perdió nada",
  "offline": "No se puede alcanzar el servicio. Lo que ve puede ser antiguo; la página lo intenta de nuevo.",
  "in-dagster": "Abrir en Dagster",
  "empty-title": "Aún no hay viajes",
  "empty-text": "Suelte un archivo CSV en cualquier parte de esta página. Necesita las columnas region, origin_coord, destination_coord, datetime y datasource; las coordenadas son POINT (lon lat).",
  "sample": "Cargar una muestra generada",
  "sign-in": "Entrar",
  "sign-in-text": "Este servicio necesita una clave de API.",
  "key": "Clave de API",
  "wrong-key": "Esta clave no es conocida.",
  "sign-out": "Salir",
  "licenses": "Licencias",
  "radius": "Radio {metres} m",
  "no-webgl": "Este navegador no puede dibujar el mapa (falta WebGL). Los números y las listas funcionan sin él.",
  "error": "Error: {message}",
  "attribution": "Natural Earth, GeoNames (CC BY 4.0)",
};

export const language = navigator.language.toLowerCase().startsWith("es") ? "es" : "en";
const words: Record<Word, string> = language === "es" ? spanish : english;

/** A text, with values in the places of their names. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return words[word].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : String(value);
  });
}

/** Puts the texts of this language into the elements that name them. */
export function translate(root: ParentNode): void {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll<HTMLElement>("[data-t]")) {
    element.textContent = words[element.dataset.t as Word];
  }
  for (const element of root.querySelectorAll<HTMLElement>("[data-label]")) {
    element.setAttribute("aria-label", words[element.dataset.label as Word]);
  }
}

const plain = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
const exact = new Intl.NumberFormat(language, { maximumFractionDigits: 2, useGrouping: false });
const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });

export function number(value: number): string {
  return plain.format(value);
}

/** Without marks between thousands. */
export function ungrouped(value: number): string {
  return exact.format(value);
}

export function share(value: number): string {
  return percent.format(value);
}

/** Short and long names of the days, from Monday. */
export const dayNames = days("short");
export const longDayNames = days("long");

function days(weekday: "short" | "long"): string[] {
  const format = new Intl.DateTimeFormat(language, { weekday, timeZone: "UTC" });
  // 1 January 2018 was a Monday.
  return Array.from({ length: 7 }, (_, day) => format.format(Date.UTC(2018, 0, 1 + day)));
}

const dates = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const times = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export function date(text: string): string {
  return dates.format(new Date(`${text.slice(0, 10)}T00:00:00Z`));
}

export function time(text: string): string {
  return times.format(new Date(text));
}
