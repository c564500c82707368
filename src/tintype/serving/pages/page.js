// The page of an endpoint: a picture in, its classes and where the network looks out. No library, nothing from elsewhere.
"use strict";

const $ = (id) => document.getElementById(id);
const REFRESH_MS = 2000;
let token = "";             // kept in this tab alone
let turn = 0;               // of the picture that is shown; answers to earlier ones are let go
let shown = null;           // {picture, heat}

const headers = (more) => (token ? { ...more, Authorization: `Bearer ${token}` } : more);

async function refused(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the server answered ${response.status}`;
  }
}

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

function element(kind, className, text) {
  const made = document.createElement(kind);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function showClasses(top) {
  $("classes").replaceChildren(...top.map((one) => {
    const item = document.createElement("li");
    const track = element("div", "track");
    const fill = element("div", "fill");
    fill.style.width = `${100 * one.probability}%`;
    track.append(fill);
    item.append(element("span", "label", one.label), element("span", "n", `${(100 * one.probability).toFixed(1)} %`), track);
    return item;
  }));
}

function showPhases(phases) {
  const entries = Object.entries(phases).filter(([, seconds]) => seconds > 0);
  const total = entries.reduce((sum, [, seconds]) => sum + seconds, 0);
  const line = element("div", "line");
  const names = entries.map(([name, seconds], number) => {
    const part = element("span", `p${number % 5}`);
    part.style.width = `${(100 * seconds) / total}%`;
    line.append(part);
    const label = element("span", "");
    label.append(element("i", `p${number % 5}`), `${name} ${(1000 * seconds).toFixed(1)} ms`);
    return label;
  });
  $("phases").replaceChildren(line, ...names);
  $("phases").hidden = !entries.length;
}

async function showPicture(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return;
  const canvas = $("picture");
  const scale = Math.min(1, 960 / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  canvas.hidden = false;
  $("hint").hidden = true;
}

function drawHeat() {
  if (!shown) return;
  const canvas = $("picture");
  const context = canvas.getContext("2d");
  const rows = shown.heat.length, columns = shown.heat[0].length;
  const small = new OffscreenCanvas(columns, rows);
  const pixels = new ImageData(columns, rows);
  shown.heat.flat().forEach((value, place) => pixels.data.set([255, 150 * (1 - value), 30, 255 * value], 4 * place));
  small.getContext("2d").putImageData(pixels, 0, 0);
  canvas.width = canvas.height = 480;
  context.imageSmoothingEnabled = shown.picture.width >= 64;
  context.drawImage(shown.picture, 0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = true;
  context.globalAlpha = $("heat").value / 100;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = 1;
}

async function classify(file, mine) {
  const began = performance.now();
  const response = await fetch("/invocations", {
    method: "POST", body: file,
    headers: headers({ "Content-Type": "application/octet-stream", Accept: "application/json;top=5" }),
  });
  const took = performance.now() - began;
  if (mine !== turn) return null;
  if (!response.ok) {
    complain(await refused(response));
    return null;
  }
  const variant = response.headers.get("x-amzn-invoked-production-variant");
  const text = await response.text();
  let answer = null;
  try { answer = JSON.parse(text); } catch { /* a script may answer anything */ }
  const top = answer && answer.predictions && answer.predictions[0] && answer.predictions[0].top;
  if (top) showClasses(top);
  $("answer").hidden = Boolean(top);
  $("answer").textContent = top ? "" : text.slice(0, 20000);
  $("told").textContent = `answered in ${took.toFixed(0)} ms${variant ? ` by ${variant}` : ""}`;
  $("nothing").hidden = true;
  return { variant, request: response.headers.get("x-amzn-requestid") };
}

async function explain(file, variant, mine) {
  const where = `/try/explain?variant=${encodeURIComponent(variant || "")}`;
  const response = await fetch(where, { method: "POST", body: file, headers: headers({ "Content-Type": "application/octet-stream" }) });
  if (mine !== turn) return;
  $("heat-controls").hidden = false;
  if (!response.ok) {
    $("method").textContent = await refused(response);
    return;
  }
  const told = await response.json();
  const picture = new Image();
  picture.src = `data:image/png;base64,${told.picture}`;
  await picture.decode();
  if (mine !== turn) return;
  shown = { picture, heat: told.heat };
  $("method").textContent = `${told.method}, for ${told.label}`;
  drawHeat();
}

async function tryIt(file) {
  const mine = ++turn;
  shown = null;
  complain("");
  for (const id of ["classes", "phases"]) $(id).replaceChildren();
  $("answer").hidden = $("phases").hidden = $("heat-controls").hidden = true;
  $("told").textContent = "asking …";
  $("method").textContent = "";
  try {
    await showPicture(file);
    const answered = await classify(file, mine);
    if (!answered) {
      if (mine === turn) $("told").textContent = "";
      return;
    }
    explain(file, answered.variant, mine).catch((error) => { $("method").textContent = String(error); });
    const facts = await (await fetch("/try/facts", { headers: headers({}) })).json();
    const noted = facts.recent.find((one) => one.request_id === answered.request);
    if (noted && mine === turn) showPhases(noted.phases);
    await refresh();
  } catch (error) {
    complain(`the endpoint cannot be reached: ${error.message}`);
    $("told").textContent = "";
  }
}

async function refresh() {
  const response = await fetch("/try/panel", { headers: headers({}) }).catch(() => null);
  if (response && response.ok) $("panel").innerHTML = await response.text();       // the server has escaped it
  else $("panel").replaceChildren(element("p", "soft", response ? await refused(response) : "The endpoint does not answer."));
}

$("file").addEventListener("change", (event) => event.target.files.length && tryIt(event.target.files[0]));
$("heat").addEventListener("input", drawHeat);
document.addEventListener("paste", (event) => event.clipboardData.files.length && tryIt(event.clipboardData.files[0]));
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files.length) tryIt(event.dataTransfer.files[0]);
  });
}
const form = $("token-form");
if (form) form.addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  refresh();
});
setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);
refresh();
