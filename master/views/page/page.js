"use strict";
// Draws a snapshot of RunState; it decides nothing. Texts go in by textContent alone, so none can become
// markup. The report holds its snapshot; the live page gets one with each message of its stream.

const byId = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let snapshot = null, received = 0, live = false, notice = "";

function make(name, attributes = {}, ...content) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...content.map(each => each instanceof Node ? each : String(each)));
  return element;
}
function shape(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// Numbers as people read them.
const count = n => Number(n).toLocaleString("en");
const figure = x => x === null || x === undefined ? "–" : Number.isInteger(x) || Math.abs(x) >= 1e4 && Math.abs(x) < 1e15
  ? x.toLocaleString("en", { maximumFractionDigits: 1 }) : String(+x.toPrecision(6));
const tick = x => Math.abs(x) >= 1e6 ? x.toExponential().replace("+", "") : figure(x);
const percent = x => (100 * x).toFixed(0) + " %";
const plural = (n, word) => count(n) + " " + word + (n === 1 ? "" : "s");
function time(ms) {
  const sign = ms < 0 ? "−" : "", s = Math.abs(ms) / 1000;
  if (!ms) return "0 s";
  if (s < 1) return sign + (s * 1000).toFixed(s < 0.01 ? 1 : 0) + " ms";
  if (s < 100) return sign + s.toFixed(2) + " s";
  const minutes = Math.floor(s / 60);
  return sign + (minutes < 60 ? minutes + " min " + Math.floor(s % 60) + " s"
    : Math.floor(minutes / 60) + " h " + minutes % 60 + " min");
}
function size(bytes) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (bytes < 1000 || unit === "GB") return (unit === "B" ? bytes : bytes.toFixed(1)) + " " + unit;
    bytes /= 1000;
  }
}
const now = () => snapshot.elapsed_ms + (live && snapshot.state === "running" ? performance.now() - received : 0);

function fillTable(id, head, rows, left = 1) {
  const cell = (kind, value, i) => {
    const found = value instanceof Node ? make(kind, {}, value) : make(kind, {}, value ?? "");
    if (i < left) found.className = "left";
    return found;
  };
  const heads = make("tr", {}, ...head.map((name, i) => cell("th", name, i)));
  heads.querySelectorAll("th").forEach(th => th.setAttribute("scope", "col"));
  byId(id).replaceChildren(make("thead", {}, heads),
    make("tbody", {}, ...rows.map(row => make("tr", {}, ...row.map((value, i) => cell("td", value, i))))));
}
const wrong = n => n ? make("span", { class: "wrong" }, count(n)) : "0";
const pill = state => make("span", { class: "pill " + state }, state);

// The parts of the page.
function drawHead() {
  const { state, reason, run } = snapshot, shown = byId("state");
  shown.textContent = state;
  shown.className = "pill " + state;
  byId("about").textContent = run ? `${run.input}: ${plural(run.rows, "row")}, ${plural(run.columns, "column")}; `
    + `engine ${run.engine}, ${plural(run.mappers, "mapper")}, ${plural(run.reducers, "reducer")}; `
    + `started ${run.started.replace("T", " ").replace("+00:00", " UTC")}` : "No run has begun yet.";
  const said = [reason, notice].filter(Boolean).join(". ");
  byId("reason").hidden = !said;
  byId("reason").className = reason ? "wrong" : "hint";
  byId("reason").textContent = said;
  const { reason: why, doubt } = snapshot.result, told = [why, doubt && "In doubt: " + doubt].filter(Boolean).join(". ");
  byId("result").hidden = !told;
  byId("result").textContent = told;
  document.title = state + " – " + (run ? run.input.split("/").pop() : "MapReduce run");
}
function drawFigures() {
  const { iterations, totals, shuffle } = snapshot, last = iterations.at(-1);
  const of = iterations.findLast(each => each.of)?.of, measured = last?.starts[snapshot.best] ?? {};
  const found = [["Elapsed", time(now())]];
  if (last) found.push(["Iteration", last.iteration + (of ? " of " + of : "")]);
  for (const [name, label] of Object.entries(MEASURES))
    if (measured[name] !== undefined) found.push([label, figure(measured[name])]);
  found.push(["Attempts of tasks", count(totals.attempts)],
    ["Failed / lost", totals.failed + " / " + totals.lost], ["Retries / backups", totals.retries + " / " + totals.backups],
    ["Shuffled", size(shuffle.bytes)], ["Records shuffled", count(shuffle.records)]);
  byId("figures").replaceChildren(...found.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}
function drawWorkers() {
  // A socket's path tells people nothing; the address of another host does.
  const apart = snapshot.workers.some(each => each.address && !each.address.startsWith("unix:"));
  const known = (value, text) => value === null ? "–" : text(value);
  const cpu = each => known(each.cpu_share, share => `${percent(share)} (${time(each.cpu_s * 1000)})`);
  const memory = each => known(each.resident_bytes, size) + known(each.anonymous_bytes, own => ` (${size(own)})`).replace("–", "");
  fillTable("workers", ["Worker", "State", ...(apart ? ["Address"] : []), "Pid", "Life", "Done", "Failed", "Backups", "Busy",
    "For a task", "CPU", "Memory (own)", "Read", "Received", "Sent", "Records"], snapshot.workers.map(each => [each.worker,
    pill(each.state), ...(apart ? [each.address] : []), each.pid, each.incarnation, count(each.done), wrong(each.failed),
    each.backups, percent(each.busy_share), time(each.mean_ms), cpu(each), memory(each), known(each.read_bytes, size),
    size(each.received_bytes ?? each.fetched_bytes), size(each.sent_bytes ?? each.served_bytes), count(each.records)]),
    apart ? 3 : 2);
}

// The timeline: one path for all tasks of a look, so that thousands of tasks are a few elements.
let tasks = [], view = null, chosen = null, drag = null;
const LABEL = 72, FOOT = 22;
let ROW = 22;
const LOOKS = { Map: "Map", Reduce: "Reduce", Read: "reading output", failed: "failed", lost: "lost",
  "Map running-task": "running", backup: "backup" };
const look = task => task.status === "failed" || task.status === "lost" ? task.status
  : (task.method.startsWith("Read") ? "Read" : task.method) + (task.status === "running" ? " running-task" : "");
const endOf = task => task.end ?? now();
function unpackTasks() {
  tasks = snapshot.tasks.map(row => Object.fromEntries(snapshot.task_fields.map((name, i) => [name, row[i]])));
}
function span() {
  const first = tasks.length ? Math.min(...tasks.slice(0, 50).map(task => task.start)) : 0;
  return [first, Math.max(now(), first + 1)];
}
function ruler(svg, height) {
  const width = Math.max(svg.clientWidth, 120);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.replaceChildren();
  return width;
}
function steps(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find(each => each * power >= rough) * power, found = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(at + 0);  // -0 becomes 0
  return found;
}
function timelinePlace() {
  const svg = byId("timeline"), width = Math.max(svg.clientWidth, 120), [low, high] = view ?? span();
  return { width, low, high, x: ms => LABEL + (ms - low) / (high - low) * (width - LABEL - 4),
    ms: x => low + (x - LABEL) / (width - LABEL - 4) * (high - low) };
}
function drawTimeline() {
  const svg = byId("timeline"), names = snapshot.workers.map(each => each.worker);
  ROW = names.length > 20 ? 15 : 22;
  const height = names.length * ROW + FOOT, width = ruler(svg, height), { low, high, x } = timelinePlace();
  const row = new Map(names.map((name, i) => [name, i])), paths = {}, outlines = [];
  names.forEach((name, i) => svg.append(shape("path", { class: "axis", d: `M0 ${(i + 1) * ROW}H${width}` }),
    shape("text", { x: 2, y: (i + 1) * ROW - 5 }, name.length > 9 ? "…" + name.slice(-8) : name)));
  const marks = steps(low, high, width / 90), digits = Math.ceil(-Math.log10((marks[1] - marks[0]) / 1000));
  for (const at of marks) svg.append(
    shape("path", { class: "axis", d: `M${x(at).toFixed(1)} 0V${height - FOOT}` }),
    shape("text", { x: x(at).toFixed(1), y: height - 6, "text-anchor": "middle" },
      digits > 1 ? (at / 1000).toFixed(digits) + " s" : time(at)));
  for (const task of tasks) {
    const end = endOf(task), i = row.get(task.worker);
    if (i === undefined || end < low || task.start > high) continue;
    const from = Math.max(x(task.start), LABEL), to = Math.min(Math.max(x(end), from + 1), width);
    const box = `M${from.toFixed(1)} ${i * ROW + ROW * 0.18}H${to.toFixed(1)}V${i * ROW + ROW * 0.82}H${from.toFixed(1)}Z`;
    paths[look(task)] = (paths[look(task)] ?? "") + box;
    if (task.backup) outlines.push(box);
    if (task === chosen) paths.chosen = box;
  }
  for (const [name, d] of Object.entries(paths)) svg.append(shape("path", { class: name, d }));
  if (outlines.length) svg.append(shape("path", { class: "backup", d: outlines.join("") }));
  if (drag) svg.append(shape("rect", { class: "drag", x: Math.min(drag.from, drag.to), y: 0,
    width: Math.abs(drag.to - drag.from), height: height - FOOT }));
}
function drawLegend() {
  byId("legend").replaceChildren(...Object.entries(LOOKS).map(([name, text]) => {
    const box = shape("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" });
    box.append(shape("rect", { x: 2, y: 2, width: 10, height: 10, class: name }));
    return make("span", { class: "key" }, box, text);
  }), snapshot.tasks_left_out ? `the last ${count(tasks.length)} calls; ${count(snapshot.tasks_left_out)} earlier ones are in the log` : "");
}
function tell(task) {
  chosen = task;
  const it = task.iteration === null ? "" : `, iteration ${task.iteration}`;
  const attempt = task.attempt === null ? "" : `, attempt ${task.attempt}${task.backup ? " (backup)" : ""}`;
  const wrote = task.records === null ? "" : `; ${plural(task.records, "record")}`;
  const sent = task.bytes === null ? "" : `; answer of ${size(task.bytes)}`;
  byId("task").textContent = `${task.worker}: ${task.method} ${task.job}${it}, task ${task.task}${attempt}: ${task.status}`
    + ` after ${time(endOf(task) - task.start)}, from ${time(task.start)}${wrote}${sent}${task.reason ? ". " + task.reason : ""}`;
  drawTimeline();
}
function zoom(factor, shift = 0) {
  const [first, last] = span(), [low, high] = view ?? [first, last];
  const middle = chosen && chosen.start >= low && chosen.start <= high && shift === 0 ? chosen.start : (low + high) / 2;
  const half = Math.max((high - low) * factor / 2, 0.05), at = middle + shift * (high - low);
  view = half * 2 >= last - first ? null : [Math.max(at - half, first), Math.min(at + half, last)];
  drawTimeline();
}
function walk(key) {
  if (!tasks.length) return;
  const names = snapshot.workers.map(each => each.worker);
  if (!chosen) return tell(tasks[0]);
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const own = tasks.filter(task => task.worker === chosen.worker), at = own.indexOf(chosen);
    return tell(own[at + (key === "ArrowRight" ? 1 : -1)] ?? chosen);
  }
  for (let i = names.indexOf(chosen.worker), step = key === "ArrowDown" ? 1 : -1; names[i += step] !== undefined;) {
    const own = tasks.filter(task => task.worker === names[i]);
    if (own.length) return tell(own.reduce((best, each) =>
      Math.abs(each.start - chosen.start) < Math.abs(best.start - chosen.start) ? each : best));
  }
}
function taskAt(event) {
  const box = byId("timeline").getBoundingClientRect(), place = timelinePlace();
  const name = snapshot.workers[Math.floor((event.clientY - box.top) / ROW)]?.worker;
  const at = place.ms(event.clientX - box.left), near = place.ms(3) - place.ms(0);
  return tasks.findLast(task => task.worker === name && task.start - near <= at && at <= endOf(task) + near);
}
function listenToTimeline() {
  const svg = byId("timeline"), at = event => event.clientX - svg.getBoundingClientRect().left;
  svg.addEventListener("pointerdown", event => { drag = { from: at(event), to: at(event) }; svg.setPointerCapture(event.pointerId); });
  svg.addEventListener("pointermove", event => {
    if (drag) { drag.to = at(event); return drawTimeline(); }
    const found = taskAt(event);
    if (found && found !== chosen) tell(found);
  });
  svg.addEventListener("pointerup", event => {
    const { ms } = timelinePlace(), ends = drag && [ms(Math.max(LABEL, Math.min(drag.from, drag.to))), ms(Math.max(drag.from, drag.to))];
    const wide = drag && Math.abs(drag.to - drag.from) > 6;
    drag = null;
    if (wide) view = ends;
    const found = wide ? null : taskAt(event);
    if (found) tell(found); else drawTimeline();
  });
  svg.addEventListener("pointercancel", () => { drag = null; drawTimeline(); });
  svg.addEventListener("dblclick", () => { view = null; drawTimeline(); });
  svg.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow")) walk(event.key);
    else if (event.key === "+" || event.key === "=") zoom(0.5);
    else if (event.key === "-") zoom(2);
    else if (event.key === "0") { view = null; drawTimeline(); }
    else return;
    event.preventDefault();
  });
  const click = (id, act) => byId(id).addEventListener("click", act);
  click("zoom-in", () => zoom(0.5));
  click("zoom-out", () => zoom(2));
  click("earlier", () => zoom(1, -0.5));
  click("later", () => zoom(1, 0.5));
  click("zoom-all", () => { view = null; drawTimeline(); });
}

// Iterations.
const MEASURES = { shift: "Largest shift", inertia: "Inertia", loss: "Loss", gradient: "Greatest derivative" };
function offer(id, options) {
  const select = byId(id), kept = select.value;
  if (select.options.length === options.length && options.every(([value], i) => select.options[i].value === value)) return;
  select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
  if (options.some(([value]) => value === kept)) select.value = kept;
}
function drawIterations() {
  const measured = snapshot.iterations.map(each => each.starts[snapshot.best] ?? {});
  const names = Object.keys(MEASURES).filter(name => measured.some(each => typeof each[name] === "number"));
  byId("s-iterations").hidden = !names.length && !snapshot.iterations.length;
  if (byId("s-iterations").hidden) return;
  offer("measure", names.map(name => [name, MEASURES[name]]));
  const name = byId("measure").value;
  drawLine(snapshot.iterations.map((each, i) => [each.iteration, measured[i][name]])
    .filter(([, value]) => typeof value === "number"));
  drawPhases();
  fillTable("iterations", ["Iteration", ...names.map(each => MEASURES[each]), "Map", "Reduce", "Reading", "All", "Sizes"],
    snapshot.iterations.map((each, i) => [each.iteration, ...names.map(one => figure(measured[i][one])),
      ...phasesOf(each).slice(0, 3).map(time), each.end === undefined ? "" : time(each.end - each.start),
      (measured[i].sizes ?? []).map(count).join(" · ")]));
}
function drawLine(points, id = "measured", note = "scale", counted = "iteration") {
  const svg = byId(id), height = 220, width = ruler(svg, height), left = 64, bottom = height - 24;
  const values = points.map(([, value]) => value), positive = values.filter(value => value > 0);
  const logarithmic = positive.length > 1 && Math.max(...positive) / Math.min(...positive) > 100;
  byId(note).textContent = logarithmic ? "logarithmic scale" + (positive.length < values.length ? "; zeros are not drawn" : "") : "";
  if (logarithmic) points = points.filter(([, value]) => value > 0);
  if (!points.length) return;
  const scale = logarithmic ? Math.log10 : value => value, scaled = points.map(([, value]) => scale(value));
  const low = Math.min(...scaled), high = Math.max(...scaled), first = points[0][0], last = points.at(-1)[0];
  const x = n => left + (n - first) / Math.max(last - first, 1) * (width - left - 16);
  const y = value => 10 + (high - value) / ((high - low) || 1) * (bottom - 24);
  const marks = logarithmic ? [...new Set(steps(low, high + 1e-9, 5).map(Math.round))].filter(at => at >= low - 1e-9 && at <= high + 1e-9)
    : steps(low, high + (high === low ? 1 : 0), 5).filter(at => at <= high);
  for (const at of marks) svg.append(shape("path", { class: "axis", d: `M${left} ${y(at)}H${width}` }),
    shape("text", { x: left - 6, y: y(at) + 4, "text-anchor": "end" }, logarithmic ? "1e" + at : tick(at)));
  for (const at of [...new Set(steps(first, last + (last === first ? 1 : 0), width / 70).map(Math.round))])
    if (at <= last) svg.append(shape("text", { x: x(at), y: height - 6, "text-anchor": "middle" }, at));
  svg.append(shape("polyline", { class: "line", points: points.map(([n], i) => x(n) + "," + y(scaled[i])).join(" ") }));
  if (points.length <= 300) points.forEach(([n, value], i) => {
    const dot = shape("circle", { class: "dot", cx: x(n), cy: y(scaled[i]), r: 3.5 });
    dot.append(shape("title", {}, `${counted} ${n}: ${value}`));
    svg.append(dot);
  });
}
const PHASES = [["Map", "map"], ["Reduce", "reduce"], ["Read", "reading output"], ["rest", "everything else"]];
let stagesOf = new Map();
function sortStages() {
  stagesOf = new Map();
  for (const stage of snapshot.stages) stagesOf.set(stage.iteration, [...stagesOf.get(stage.iteration) ?? [], stage]);
}
function phasesOf(iteration) {
  const own = stagesOf.get(iteration.iteration) ?? [];
  const spent = name => own.reduce((sum, stage) => sum + (stage[name]?.[0] ?? 0), 0);
  const parts = [spent("Map"), spent("Reduce"), spent("ReadReduceOutput") + spent("ReadMapOutput")];
  const all = (iteration.end ?? now()) - iteration.start, rest = all - parts[0] - parts[1] - parts[2];
  return [...parts, Math.max(rest, 0)];
}
function drawPhases() {
  const shown = snapshot.iterations.filter(each => each.end !== undefined).slice(-120).map(each => [each, phasesOf(each)]);
  const svg = byId("phases"), height = 150, width = ruler(svg, height), left = 64, bottom = height - 22;
  if (!shown.length) return;
  const most = Math.max(...shown.map(([, parts]) => parts.reduce((a, b) => a + b))) || 1;
  const step = (width - left - 8) / shown.length, y = ms => bottom - ms / most * (bottom - 10);
  for (const at of steps(0, most, 3)) svg.append(shape("path", { class: "axis", d: `M${left} ${y(at)}H${width}` }),
    shape("text", { x: left - 6, y: y(at) + 4, "text-anchor": "end" }, time(at)));
  shown.forEach(([iteration, parts], i) => {
    let from = 0;
    const bar = shape("g", {});
    bar.append(shape("title", {}, `iteration ${iteration.iteration}: ` + parts.map((ms, j) => `${PHASES[j][1]} ${time(ms)}`).join(", ")));
    parts.forEach((ms, j) => {
      bar.append(shape("rect", { class: PHASES[j][0], x: left + i * step + 0.5, y: y(from + ms), width: Math.max(step - 1, 0.5),
        height: Math.max(y(from) - y(from + ms), 0) }));
      from += ms;
    });
    svg.append(bar);
    if (i % Math.ceil(40 / step) === 0) svg.append(shape("text", { x: left + (i + 0.5) * step, y: height - 5, "text-anchor": "middle" }, iteration.iteration));
  });
  byId("phase-legend").replaceChildren(...PHASES.map(([name, text]) => {
    const box = shape("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" });
    box.append(shape("rect", { x: 2, y: 2, width: 10, height: 10, class: name }));
    return make("span", { class: "key" }, box, text);
  }));
}

// Centroids: two columns, or the two directions in which the centroids differ most.
let playing = 0, follows = true;
const color = key => `hsl(${(key * 137.508 % 360).toFixed(0)} 60% 50%)`;
const columnName = i => snapshot.columns[i] ?? "column " + (i + 1);
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
function directions(rows) {
  const n = rows[0].length, mean = rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);
  const centred = rows.map(row => row.map((value, i) => value - mean[i])), found = [];
  for (let which = 0; which < 2; which++) {
    let axis = Array.from({ length: n }, (_, i) => 1 + (i * 7 + which * 3) % 5);
    for (let round = 0; round < 100; round++) {
      let next = Array(n).fill(0);
      for (const row of centred) { const along = dot(row, axis); next = next.map((value, i) => value + along * row[i]); }
      for (const other of found) { const along = dot(next, other); next = next.map((value, i) => value - along * other[i]); }
      const length = Math.hypot(...next);
      if (!length) break;
      axis = next.map(value => value / length);
    }
    found.push(axis);
  }
  return found;
}
function axes(history) {
  const n = history[0][1][0].length;
  const principal = n > 2 ? [["p0", "direction 1"], ["p1", "direction 2"]] : [];
  const columns = Array.from({ length: n }, (_, i) => ["c" + i, columnName(i)]);
  const before = byId("up").options.length;
  offer("across", [...principal, ...columns]);
  offer("up", [...principal, ...columns, ...(n === 1 ? [["none", "nothing"]] : [])]);
  if (!before) byId("up").selectedIndex = 1;
  const turned = principal.length ? directions(history.flatMap(([, at]) => at.map(row => row.map(value => value ?? 0)))) : [];
  const reader = choice => choice === "none" ? () => 0 : choice[0] === "p" ? row => dot(row.map(value => value ?? 0), turned[+choice[1]])
    : row => row[+choice.slice(1)] ?? 0;
  return ["across", "up"].map(id => ({ choice: byId(id).value, read: reader(byId(id).value),
    text: byId(id).selectedOptions[0]?.textContent ?? "" }));
}
function range(axis, history) {
  const bound = axis.choice[0] === "c" ? snapshot.bounds?.[+axis.choice.slice(1)] : null;
  const values = history.flatMap(([, at]) => at.map(axis.read)).concat((bound ?? []).filter(value => value !== null),
    snapshot.rows.map(axis.read));
  const low = Math.min(...values), high = Math.max(...values);
  // Along a direction in which nothing differs, rounding must not look like a distance.
  const margin = Math.max((high - low) * 0.05, Math.max(Math.abs(low), Math.abs(high)) * 1e-3) || 1;
  return [low - margin, high + margin];
}
// The sampled rows of each centroid, if the page has all of its columns and all centroids; else under -1.
function rowsByCluster(centroids) {
  const found = new Map(), whole = centroids.length === snapshot.centroids.clusters
    && snapshot.centroids.columns === centroids[0].length;
  for (const row of snapshot.rows) {
    let nearest = -1, least = Infinity;
    if (whole) centroids.forEach((centroid, key) => {
      const squared = centroid.reduce((sum, value, i) => sum + (value - row[i]) ** 2, 0);
      if (squared < least) { least = squared; nearest = key; }
    });
    found.set(nearest, [...found.get(nearest) ?? [], row]);
  }
  return found;
}
function sayWhichK() {
  const k = snapshot.centroids.clusters;
  for (const each of document.querySelectorAll(".of-k")) each.textContent = k ? "of K = " + count(k) : "";
}
function drawCentroids() {
  const history = snapshot.centroids.history.filter(([, at]) => at.length);
  byId("s-clusters").hidden = !history.length;
  if (!history.length) return;
  const slider = byId("iteration");
  slider.max = history.length - 1;
  if (follows) slider.value = slider.max;
  const at = Math.min(+slider.value, history.length - 1), [n, centroids] = history[at];
  slider.setAttribute("aria-valuetext", "iteration " + n);
  byId("at").textContent = (n ? "after iteration " + n : "at the start")
    + (centroids.length < snapshot.centroids.clusters ? `; the first ${centroids.length} of ${count(snapshot.centroids.clusters)}` : "");
  const svg = byId("scatter"), height = 320, width = ruler(svg, height), left = 64, bottom = height - 38;
  const [across, up] = axes(history), [lowX, highX] = range(across, history), [lowY, highY] = range(up, history);
  const x = row => left + (across.read(row) - lowX) / (highX - lowX) * (width - left - 8);
  const y = row => bottom - (up.read(row) - lowY) / (highY - lowY) * (bottom - 8);
  const placeX = value => left + (value - lowX) / (highX - lowX) * (width - left - 8);
  const placeY = value => bottom - (value - lowY) / (highY - lowY) * (bottom - 8);
  for (const value of steps(lowX, highX, width / 90)) svg.append(shape("path", { class: "axis", d: `M${placeX(value)} 8V${bottom}` }),
    shape("text", { x: placeX(value), y: bottom + 15, "text-anchor": "middle" }, tick(value)));
  for (const value of steps(lowY, highY, 6)) svg.append(shape("path", { class: "axis", d: `M${left} ${placeY(value)}H${width}` }),
    shape("text", { x: left - 6, y: placeY(value) + 4, "text-anchor": "end" }, tick(value)));
  svg.append(shape("text", { x: width - 8, y: height - 6, "text-anchor": "end" }, across.text + " →"),
    shape("text", { x: 2, y: height - 6 }, "↑ " + up.text));
  const near = rowsByCluster(centroids);
  for (const [key, rows] of near) svg.append(shape("path", { class: "row",
    stroke: key < 0 ? "var(--soft)" : color(key), d: rows.map(row => `M${x(row).toFixed(1)} ${y(row).toFixed(1)}h0`).join("") }));
  centroids.forEach((row, key) => {
    const points = history.slice(0, at + 1).map(([, rows]) => rows[key]).filter(Boolean);
    svg.append(shape("polyline", { class: "path", points: points.map(each => x(each).toFixed(1) + "," + y(each).toFixed(1)).join(" ") }));
  });
  centroids.forEach((row, key) => {
    const mark = shape("circle", { class: "mark", cx: x(row), cy: y(row), r: 7, fill: color(key) });
    mark.append(shape("title", {}, `cluster ${key}: ` + row.map((value, i) => columnName(i) + " " + figure(value)).join(", ")));
    svg.append(mark);
    if (centroids.length <= 30) svg.append(shape("text", { class: "name", x: x(row) + 9, y: y(row) - 6 }, key));
  });
  byId("sampled").textContent = snapshot.rows.length ? `Small dots: ${count(snapshot.rows.length)} of the input's ${count(snapshot.run.rows)} rows`
    + (near.has(-1) ? "." : ", each in the colour of the centroid that is nearest.") : "";
  const sizes = snapshot.iterations.find(each => each.iteration === n)?.starts[snapshot.best]?.sizes;
  const start = history[0][1];
  fillTable("clusters", ["Cluster", snapshot.weighted ? "Weight" : "Rows", "Moved since the start", ...centroids[0].map((_, i) => columnName(i))],
    centroids.map((row, key) => [key, sizes?.[key] === undefined ? "–" : count(sizes[key]),
      start[key] ? figure(Math.hypot(...row.map((value, i) => (value ?? 0) - (start[key][i] ?? 0)))) : "–", ...row.map(figure)]));
}
function play() {
  const slider = byId("iteration"), button = byId("play");
  const stop = () => { clearInterval(playing); playing = 0; button.textContent = "Play"; };
  if (playing) return stop();
  if (+slider.value === +slider.max) slider.value = 0;
  follows = false;
  button.textContent = "Pause";
  drawCentroids();
  playing = setInterval(() => {
    slider.value = +slider.value + 1;
    follows = +slider.value === +slider.max;
    drawCentroids();
    if (follows) stop();
  }, 400);
}

// Number of clusters.
const JUDGES = { inertia: "Inertia", calinski_harabasz: "Calinski-Harabasz", davies_bouldin: "Davies-Bouldin",
  silhouette: "Silhouette", simplified_silhouette: "Simplified silhouette" };
function drawChoice() {
  const found = snapshot.choice, names = Object.keys(JUDGES);
  byId("s-choice").hidden = !found;
  if (!found) return;
  byId("elbow-of").hidden = found.rows.length < 2;
  offer("judged", names.map(name => [name, JUDGES[name]]));
  const name = byId("judged").value;
  drawLine(found.rows.map(each => [each.k, each[name]]).filter(([, value]) => typeof value === "number"), "elbow", "elbow-scale", "K =");
  byId("preferred").textContent = Object.entries(found.preferred).map(([judge, k]) => `${JUDGES[judge]} prefers K = ${k}.`).join(" ");
  fillTable("choice", ["K", ...Object.values(JUDGES), "Iterations"], found.rows.map(each =>
    [each.k + (each.k === found.chosen ? ", chosen" : ""), ...names.map(judge => figure(each[judge])), each.iterations ?? "–"]));
}

// Colours of a picture.
function drawPalette() {
  const found = snapshot.palette;
  byId("s-palette").hidden = !found;
  if (!found) return;
  const pixels = found.reduce((sum, [, each]) => sum + each, 0);
  byId("palette").replaceChildren(...found.map(([name, used]) => {
    const box = shape("svg", { "aria-hidden": "true", class: name.length > 7 ? "see-through" : "" });
    box.append(shape("rect", { width: "100%", height: "100%", fill: name }));
    return make("span", {}, box, make("b", {}, name), (100 * used / pixels).toPrecision(2) + " %");
  }));
}

// Classification.
function drawScores() {
  const found = snapshot.scores;
  byId("s-scores").hidden = !found;
  if (!found) return;
  fillTable("scores", ["Model", "Rows of", "Rows", "Accuracy", "F1 (weighted)", "F1 (macro)", "Log-loss"], found.models.map(each =>
    [each.model, each.sample, count(each.rows), figure(each.accuracy), figure(each.weighted_f1), figure(each.macro_f1), figure(each.log_loss)]), 2);
  const models = [...new Set(found.confusion.map(each => each.model))];
  byId("confusions").replaceChildren(...models.slice(0, 20).flatMap(model => {
    const id = "confusion-" + models.indexOf(model);
    return [make("h3", {}, `Confusion of the model of ${model}: rows are of a class, and taken for the class of the column`),
      make("div", { class: "scroll", role: "region", "aria-label": "Confusion of the model of " + model, tabindex: "0" }, make("table", { id }))];
  }));
  models.slice(0, 20).forEach((model, m) => {
    const own = found.confusion.filter(each => each.model === model), classes = found.table?.classes ?? own.map(each => each.class_);
    fillTable("confusion-" + m, ["Class", ...classes, "Precision", "Recall", "F1"], own.map(each =>
      [each.class_, ...each.taken_for.map(count), figure(each.precision), figure(each.recall), figure(each.f1)]));
  });
  byId("part-models").hidden = !found.parts.length;
  fillTable("parts", ["Model", "Rows", "Iterations", "Converged", "Seconds", "CPU seconds", "Peak MB"], found.parts.map(each =>
    [each.model, count(each.rows), each.iterations, each.converged ? "yes" : "no", figure(each.seconds), figure(each.cpu_seconds), figure(each.peak_mb)]));
}

// News, waits, log, settings.
function fillList(id, rows, none) {
  byId(id).replaceChildren(...rows.map(([at, kind, text]) => make("li", { class: kind }, make("time", {}, at), text)),
    ...(rows.length ? [] : [make("li", {}, none)]));
}
function drawNews() {
  const only = byId("only-failures").checked;
  fillList("news", snapshot.news.filter(([, kind]) => !only || kind === "failure").reverse().map(([at, kind, text]) => [time(at), kind, text]),
    only ? "No failures." : "Nothing went wrong.");
}
function drawWaits() {
  const waits = snapshot.waits.map(([from, to, why]) => [to - from, [time(from), "", `nothing ran for ${time(to - from)}: ${why}`]]);
  const slow = snapshot.stages.flatMap(stage => ["Map", "Reduce"].map(name => [stage, name, stage[name]?.[1]]))
    .filter(([, , slowest]) => slowest && slowest.ms > 1.5 * slowest.others_ms && slowest.ms - slowest.others_ms > 5)
    .map(([stage, name, slowest]) => [slowest.ms - slowest.others_ms, [time(stage.start), "", `${stage.job}${stage.iteration === null ? ""
      : ", iteration " + stage.iteration}: ${name} task ${slowest.task} on ${slowest.worker} took ${time(slowest.ms)}, the others ${time(slowest.others_ms)}`]]);
  fillList("waits", [...waits, ...slow].sort((a, b) => b[0] - a[0]).slice(0, 30).map(([, row]) => row), "None worth telling.");
}
function drawLog() {
  const wanted = byId("filter").value.toLowerCase(), lines = snapshot.log.filter(line => line.toLowerCase().includes(wanted));
  byId("log-count").textContent = `${plural(lines.length, "line")} of the last ${count(snapshot.log.length)}; ${count(snapshot.log_lines)} in all`;
  const log = byId("log"), atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  log.textContent = lines.join("\n");
  if (atEnd) log.scrollTop = log.scrollHeight;
}
function drawSettings() {
  fillTable("settings", ["Option or fact", "Value"], snapshot.settings, 2);
  byId("settings").querySelectorAll("td:last-child").forEach(cell => cell.classList.add("long"));
}

function draw() {
  if (!snapshot) return;
  for (const each of [drawHead, drawFigures, drawWorkers, drawTimeline, drawLegend, sayWhichK, drawIterations, drawCentroids, drawChoice,
    drawPalette, drawScores, drawNews, drawWaits, drawLog, drawSettings]) each();
}
function show(found) {
  const was = chosen;
  snapshot = found;
  received = performance.now();
  unpackTasks();
  sortStages();
  chosen = was && tasks.find(task => ["worker", "method", "stage", "task", "attempt"].every(name => task[name] === was[name])) || null;
  requestAnimationFrame(draw);
}
function listen() {
  let stream = null;
  const say = text => { notice = text; draw(); };
  const open = () => {
    stream = new EventSource("events");
    stream.onmessage = event => { live = true; notice = ""; show(JSON.parse(event.data)); };
    stream.addEventListener("over", () => { stream.close(); stream = null; live = false;
      say("The run and its page are over. Keep this snapshot as a file: python -m master report --output run.html"); });
    stream.onerror = () => { live = false; if (stream) say("The page's server does not answer; trying again."); };
  };
  // A hidden page costs the run nothing.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && stream) { stream.close(); stream = null; } else if (!document.hidden && !stream && live) open();
  });
  setInterval(() => { if (live && snapshot?.state === "running" && !document.hidden) { drawFigures(); if (!view && !drag) drawTimeline(); } }, 1000);
  open();
}

listenToTimeline();
byId("play").addEventListener("click", play);
byId("iteration").addEventListener("input", event => { follows = event.target.value === event.target.max; drawCentroids(); });
for (const [id, redraw] of [["measure", drawIterations], ["judged", drawChoice], ["across", drawCentroids], ["up", drawCentroids]])
  byId(id).addEventListener("change", redraw);
byId("only-failures").addEventListener("change", drawNews);
byId("filter").addEventListener("input", drawLog);
let width = 0;
new ResizeObserver(([{ contentRect }]) => {
  if (contentRect.width !== width) requestAnimationFrame(draw);
  width = contentRect.width;
}).observe(document.body);
const own = JSON.parse(byId("snapshot").textContent);
if (own) show(own); else listen();
