// The status page: asks for data.json, and shows it. What comes from clients is set as text, never
// as markup.
"use strict";

const EVERY_MS = 2000; // while somebody looks
const PATIENCE_MS = 8000;
const SVG = "http://www.w3.org/2000/svg";
const KINDS = [["granted", "Let in"], ["refused", "Refused"], ["noise", "Noise"]];
const PROTOCOLS = {1: "icmp", 4: "ipv4", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"};
const STATES = {good: "good", warn: "look at it", bad: "bad", off: "off"};
const number = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit"});
const exact = new Intl.DateTimeFormat("en-GB", {dateStyle: "medium", timeStyle: "medium"});

const $ = (id) => document.getElementById(id);
let last = null; // what was told last, with `came`, by performance.now()
let failed = 0; // times in a row
let timer = 0;
let filter = "";
let asked = 0;

function make(name, attributes = {}, ...children) {
	const element = document.createElement(name);
	for (const [key, value] of Object.entries(attributes))
		if (value !== null)
			element.setAttribute(key, value);
	element.append(...children);
	return element;
}

// Whatever is not so yet becomes so: nothing is touched that stays as it is.
function say(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

// A label is a name with %XX for what is no plain letter.
function nameOf(label) {
	try {
		return decodeURIComponent(label);
	} catch {
		return label;
	}
}

function duration(ms) {
	const s = Math.max(0, Math.ceil(ms / 1000));
	const two = (n) => String(n).padStart(2, "0");
	if (s >= 86400)
		return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
	if (s >= 3600)
		return `${Math.floor(s / 3600)}:${two(Math.floor(s % 3600 / 60))}:${two(s % 60)}`;
	return `${Math.floor(s / 60)}:${two(s % 60)}`;
}

function ago(ms) {
	const s = Math.max(0, ms / 1000);
	for (const [most, size, unit] of [[90, 1, "s"], [5400, 60, "min"], [129600, 3600, "h"]])
		if (s < most)
			return `${Math.floor(s / size)} ${unit} ago`;
	return `${Math.floor(s / 86400)} d ago`;
}

function portText([protocol, first, end]) {
	const name = PROTOCOLS[protocol] ?? `protocol ${protocol}`;
	if (first === 0 && end === 0)
		return name;
	return `${first === end ? first : `${first}–${end}`}/${name}`;
}

// Rows that are there already are kept, moved and brought up to date.
function fill(body, rows, keyOf, create, update, none, columns) {
	const old = new Map([...body.children].map((row) => [row.dataset.key, row]));
	let at = 0;
	const seen = new Map();
	for (const data of rows) {
		const base = keyOf(data);
		const twin = seen.get(base) ?? 0;
		seen.set(base, twin + 1);
		const key = `${base} ${twin}`;
		let row = old.get(key);
		old.delete(key);
		if (!row) {
			row = create(data);
			row.dataset.key = key;
		}
		update(row, data);
		if (body.children[at] !== row)
			body.insertBefore(row, body.children[at] ?? null);
		at++;
	}
	for (const row of old.values())
		row.remove();
	if (rows.length === 0)
		body.replaceChildren(make("tr", {},
			make("td", {class: "none", colspan: String(columns)}, none)));
}

function who(data) {
	return make("th", {scope: "row"}, make("bdi", {}, nameOf(data.label)),
		make("span", {class: "narrow"}, data.address));
}

function createGrant(data) {
	const ports = data.ports.map(portText).concat(data.more ? ["…"] : [])
		.flatMap((port, i) => [...i > 0 ? [", "] : [], make("span", {class: "port"}, port)]);
	return make("tr", {}, who(data), make("td", {class: "wide"}, data.address),
		make("td", {}, ...ports.length > 0 ? ports : ["–"]),
		make("td", {class: "num"}, make("span", {class: "left", "aria-hidden": "true"}, make("span")),
			make("span", {class: "time"})));
}

function updateGrant(row, data) {
	const left = Math.max(0, data.left_ms - (performance.now() - last.came));
	const whole = data.left_ms + Math.max(0, last.now_ms - data.opened_ms);
	const time = row.querySelector(".time");
	say(time, data.overdue ? "overdue" : duration(left));
	time.classList.toggle("overdue", data.overdue);
	row.classList.toggle("soon", !data.overdue && left < 60000 && left < whole / 2);
	row.querySelector(".left span").style.width =
		`${data.overdue ? 0 : Math.min(100, 100 * left / Math.max(1, whole)).toFixed(1)}%`;
}

function createClient(data) {
	return make("tr", {}, who(data), make("td", {class: "wide"}, data.address),
		make("td", {class: "num"}, make("time")));
}

function updateClient(row, data) {
	const time = row.querySelector("time");
	const when = new Date(data.seen_ms);
	say(time, ago(last.now_ms + performance.now() - last.came - data.seen_ms));
	time.title = exact.format(when);
	time.dateTime = when.toISOString();
	const name = row.querySelector("th");
	const badge = name.querySelector(".badge");
	if (data.open && !badge)
		name.querySelector("bdi").after(make("span", {class: "badge"}, "open"));
	else if (!data.open && badge)
		badge.remove();
	for (const place of row.querySelectorAll(".narrow, .wide"))
		say(place, data.address);
}

function noteOf(part, what) {
	const hidden = part.matching - part.rows.length;
	const lines = [];
	if (filter && part.matching > 0)
		lines.push(`${number.format(part.matching)} of ${number.format(part.all)} match.`);
	if (hidden > 0)
		lines.push(`${number.format(hidden)} more ${hidden === 1 ? "is" : "are"} not shown here` +
			`${filter ? "." : "; the filter looks at all of them."}`);
	if (part.all > part.kept)
		lines.push(`The filter knows ${number.format(part.kept)} of ${number.format(part.all)} ${what}.`);
	return lines.join(" ");
}

function createWhy(data) {
	return make("tr", {"data-kind": data.kind},
		make("th", {scope: "row"}, make("span", {class: "key", "aria-hidden": "true"}),
			data.name.replaceAll("_", " "), make("span", {class: "narrow"}, data.meaning)),
		make("td", {class: "wide"}, data.meaning), make("td", {class: "num hour"}),
		make("td", {class: "num all"}));
}

function updateWhy(row, data) {
	say(row.querySelector(".hour"), number.format(data.hour));
	say(row.querySelector(".all"), number.format(data.all));
}

function svg(name, attributes, ...children) {
	const element = document.createElementNS(SVG, name);
	for (const [key, value] of Object.entries(attributes))
		element.setAttribute(key, value);
	element.append(...children);
	return element;
}

const startOf = (minute, now) => clock.format(new Date(now - (59 - minute) * 60000));

function createChart([kind, name]) {
	const bars = [...Array(60).keys()].map((i) =>
		svg("rect", {class: "bar", x: i * 4 + 0.5, width: 3, y: 64, height: 0}, svg("title", {})));
	const figure = make("figure", {"data-kind": kind},
		make("figcaption", {}, make("span", {class: "sum"}, "–"),
			make("span", {class: "name"}, name), make("span", {class: "most"})),
		svg("svg", {viewBox: "0 0 240 64", preserveAspectRatio: "none", role: "img"},
			svg("g", {"aria-hidden": "true"}, ...bars,
				svg("line", {class: "base", x1: 0, x2: 240, y1: 63.5, y2: 63.5}))),
		make("div", {class: "axis", "aria-hidden": "true"}, make("span", {}, "60 min ago"),
			make("span", {}, "now")));
	return figure;
}

function updateChart(figure, counts, now) {
	const known = counts.filter((n) => n !== null);
	const sum = known.reduce((a, b) => a + b, 0);
	const most = Math.max(0, ...known);
	const top = Math.max(4, most);
	say(figure.querySelector(".sum"), known.length ? number.format(sum) : "–");
	say(figure.querySelector(".most"), most > 0 ? `at most ${number.format(most)}/min` : "");
	const name = figure.querySelector(".name").textContent;
	figure.querySelector("svg").setAttribute("aria-label", known.length
		? `${name}: ${number.format(sum)} in the last ${known.length === 1 ? "minute" : `${known.length} minutes`}, ` +
			`at most ${number.format(most)} in a minute` : `${name}: nothing is known yet`);
	figure.querySelectorAll("rect").forEach((bar, i) => {
		const n = counts[i];
		const height = n === null ? 1 : n === 0 ? 0 : Math.max(2, 62 * n / top);
		bar.setAttribute("class", n === null ? "gap" : "bar");
		bar.setAttribute("y", (63 - height).toFixed(2));
		bar.setAttribute("height", height.toFixed(2));
		say(bar.firstChild, `${startOf(i, now)}: ${n === null ? "not known" : number.format(n)}`);
	});
}

function showMinutes(data) {
	if (!$("minutes").open)
		return;
	const text = (n) => n === null ? "–" : number.format(n);
	const rows = [...Array(60).keys()].reverse().map((i) => ({
		time: startOf(i, data.now_ms), counts: KINDS.map(([kind]) => text(data.minutes[kind][i]))}));
	fill($("minutes-rows"), rows, (row) => row.time,
		(row) => make("tr", {}, make("th", {scope: "row"}, row.time),
			...row.counts.map(() => make("td", {class: "num"}))),
		(tr, row) => row.counts.forEach((n, i) => say(tr.children[i + 1], n)), "", 4);
}

function showHealth(data) {
	const list = $("health");
	while (list.children.length > data.health.length)
		list.lastChild.remove();
	data.health.forEach((part, i) => {
		const item = list.children[i] ?? list.appendChild(make("li", {},
			make("span", {class: "dot", "aria-hidden": "true"}),
			make("span", {class: "what"}), make("span", {class: "say"})));
		item.dataset.state = part.state;
		say(item.children[1], part.what);
		say(item.children[2], part.state === "good" || part.state === "off" ? part.say
			: `${part.say} (${STATES[part.state]})`);
	});
}

function showState(state, text, problem) {
	$("state").dataset.state = state;
	say($("state-text"), text);
	say($("problem"), problem ?? "");
	$("problem").hidden = !problem;
}

function showFacts(data) {
	const facts = [];
	if (data.configured_clients !== undefined)
		facts.push(`${number.format(data.configured_clients + (data.configured_devices ?? 0))} clients configured`);
	if (data.started_s)
		facts.push(`up since ${exact.format(new Date(data.started_s * 1000)).replace(/:\d\d$/, "")}`);
	facts.push(`version ${data.version}`);
	say($("facts"), facts.join(" · "));
	say($("host"), data.host);
}

function show(data) {
	const states = new Set(data.health.map((part) => part.state));
	const state = !data.healthy || states.has("bad") ? "bad" : states.has("warn") ? "warn" : "good";
	if (data.problem)
		showState("bad", "No answer", data.problem);
	else
		showState(state, {bad: "Something is wrong", warn: "Look at it", good: "Healthy"}[state], null);
	document.title = `${data.problem ? "No answer" : `${number.format(data.grants.all)} open`} · Postern`;
	showFacts(data);
	KINDS.forEach(([kind], i) => updateChart($("charts").children[i], data.minutes[kind], data.now_ms));
	showMinutes(data);
	showHealth(data);
	const keyOf = (row) => `${row.label} ${row.address} ${row.opened_ms}`;
	fill($("open-rows"), data.grants.rows, keyOf, createGrant, updateGrant,
		filter ? "Nothing that is open matches." : "Nothing is open.", 4);
	fill($("clients-rows"), data.clients.rows, (row) => row.label, createClient, updateClient,
		filter ? "No client matches." : "Nobody has been let in since the start.", 3);
	fill($("why-rows"), data.verdicts, (row) => row.name, createWhy, updateWhy,
		"Nobody has knocked since the start.", 4);
	say($("open-count"), number.format(data.grants.all));
	say($("clients-count"), number.format(data.clients.all));
	say($("open-note"), noteOf(data.grants, "grants"));
	say($("clients-note"), noteOf(data.clients, "clients"));
}

// Each second, between two answers.
function tick() {
	if (!last || document.hidden)
		return;
	last.grants.rows.forEach((data, i) => {
		if ($("open-rows").children[i]?.querySelector(".time"))
			updateGrant($("open-rows").children[i], data);
	});
}

async function ask() {
	const number = ++asked;
	clearTimeout(timer);
	try {
		const answer = await fetch(`data.json?filter=${encodeURIComponent(filter)}`,
			{signal: AbortSignal.timeout(PATIENCE_MS)});
		if (!answer.ok)
			throw new Error(`status ${answer.status}`);
		const data = await answer.json();
		if (number !== asked)
			return; // an older question, about another filter
		failed = data.problem ? failed + 1 : 0;
		data.came = performance.now();
		// One time without an answer, as during a reload, is no reason to empty the page.
		if (!data.problem || failed > 1 || !last) {
			last = data;
			show(data);
		}
	} catch {
		if (number !== asked)
			return;
		failed++;
		if (failed > 1)
			showState("bad", "No answer", "postern-web does not answer; what stands here is older.");
	}
	if (!document.hidden)
		timer = setTimeout(ask, failed > 1 ? 2 * EVERY_MS : EVERY_MS);
}

function begin() {
	$("charts").append(...KINDS.map(createChart));
	$("minutes").addEventListener("toggle", () => last && showMinutes(last));
	$("search").addEventListener("submit", (event) => event.preventDefault());
	$("filter").addEventListener("input", () => {
		filter = $("filter").value.trim();
		clearTimeout(timer);
		timer = setTimeout(ask, 200);
	});
	document.addEventListener("visibilitychange", () => document.hidden || ask());
	setInterval(tick, 1000);
	ask();
}

begin();
