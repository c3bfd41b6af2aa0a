/* ---- The road of an event ---------------------------------------------------------------------- */

/* Each stage: its title, the findings' stages that are marked at it, and what it shows:
 * {value, unit, lines: [two texts, or lists of a text and shorter ones], bar: [[share, class], ...],
 * barText, brief (where that is too wide)}. What goes into its history is
 * seen(). */
const worst = (list, of) => extreme(list, of, 1);

const ROAD = [
  {
    name: 'kafka',
    title: 'Kafka',
    marks: ['kafka'],
    history: 'records to read',
    seen: (s) => sum(s.partitions, (p) => p.lag),
    show(s) {
      const lag = s.partitions.some((p) => known(p.lag)) ? sum(s.partitions, (p) => p.lag) : null;
      const seconds = worst(s.partitions, (p) => p.lag_seconds);
      const share = s.progress.share;
      return {
        value: count(lag),
        unit: 'to read',
        lines: [!known(seconds) ? 'lag not known yet' : !lag ? 'up to date'
          : [`${span(seconds * 1000)} behind at most`, `${span(seconds * 1000)} behind`],
          `${count(s.partitions.length)} of ${plural(s.topic_partitions || s.partitions.length, 'partition')}`],
        bar: [[share || 0, 'done']],
        barText: known(share) ? `${percent(share)} of it read` : 'end not known',
      };
    },
  },
  {
    name: 'worker',
    title: 'Read, parse, window',
    short: 'Read, window',
    marks: ['worker', 'data'],
    history: 'records/s',
    seen: (s) => s.rates.records,
    show(s) {
      const { busy, backpressured, idle } = s.worker;
      return {
        value: count(s.rates.records),
        unit: 'records/s',
        lines: [`${bytes(s.rates.bytes_in)}/s`, `backpressured ${wholePercent(backpressured / 1000)}`],
        alarm: backpressured >= 500,
        bar: [[busy / 1000, 'busy'], [backpressured / 1000, 'held']],
        barText: `busy ${wholePercent(busy / 1000)} · idle ${wholePercent(idle / 1000)}`,
      };
    },
  },
  {
    name: 'buffers',
    title: 'Buffers',
    marks: [],
    history: 'bytes held',
    seen: (s) => s.memory.used,
    show(s) {
      const { used, peak, limit } = s.memory;
      return {
        value: bytes(used),
        unit: '',
        lines: [plural(sum(s.partitions, (p) => p.open_windows), 'open window'),
          plural(sum(s.partitions, (p) => p.open_files), 'open file')],
        bar: [[limit ? used / limit : 0, limit && used / limit >= 0.7 ? 'held' : 'busy']],
        barText: `of ${bytes(limit)}, peak ${bytes(peak)}`,
        brief: `of ${bytes(limit)}`,
      };
    },
  },
  {
    name: 'store',
    title: 'Store',
    marks: ['store'],
    history: 'bytes/s put',
    seen: (s) => s.derived.put,
    show(s) {
      const o = s.stores.output;
      return {
        value: bytes(s.derived.put),
        unit: known(s.derived.put) ? '/s' : '',
        lines: [`${plural(o.under_way, 'request')} under way`,
          `${plural(o.errors, 'error')}, ${plural(o.retries, 'retry', 'retries')}`],
        bar: [[Math.min(1, o.busy / 1000), 'busy']],
        barText: `busy ${wholePercent(Math.min(1, o.busy / 1000))} · idle ${wholePercent(Math.max(0, 1 - o.busy / 1000))}`,
      };
    },
  },
  {
    name: 'checkpoint',
    title: 'Checkpoint',
    marks: ['checkpoint'],
    history: 'duration',
    seen: (s) => worst(s.partitions, (p) => p.checkpoint.duration_ms),
    show(s) {
      const newest = extreme(s.partitions, (p) => p.checkpoint.age_ms, -1);
      const longest = worst(s.partitions, (p) => p.checkpoint.duration_ms);
      const share = known(longest) ? longest / s.job.checkpoint_interval_ms : 0;
      const failures = sum(s.partitions, (p) => p.checkpoint.failures);
      return {
        value: age(newest),
        unit: known(newest) ? 'ago' : 'none yet',
        lines: [`took ${span(longest)} at most`, plural(failures, 'failure')],
        bar: [[Math.min(1, share), share > 1 ? 'held' : 'busy']],
        barText: `${percent(share)} of the interval ${span(s.job.checkpoint_interval_ms)}`,
        brief: `${percent(share)} of ${span(s.job.checkpoint_interval_ms)}`,
      };
    },
  },
  {
    name: 'files',
    title: 'Visible files',
    marks: [],
    history: 'lines/s published',
    seen: (s) => s.derived.published,
    show(s) {
      const lines = sum(s.partitions, (p) => p.events_published);
      const read = sum(s.partitions, (p) => p.events.event + p.events.late + p.events.rejected);
      const share = read ? Math.min(1, lines / read) : 0;
      return {
        value: count(sum(s.partitions, (p) => p.files_published)),
        unit: 'files',
        lines: [`${count(lines)} lines`, bytes(sum(s.partitions, (p) => p.bytes_published))],
        bar: [[share, 'done']],
        barText: `${percent(share)} of what was read`,
        brief: `${percent(share)} of all`,
      };
    },
  },
];

const graph = { nodes: [], histories: ROAD.map(() => new History()), last: {}, width: 0 };

/* Rates that the server does not tell: from its counters. */
function derive(status) {
  const at = status.job.now_ms;
  const rate = (name, value) => {
    const last = graph.last[name];
    const grown = History.growth(last && last.point, at, value);
    /* Files come in bursts: an average over ten seconds or so says more than a flicker. */
    const smooth = grown === null ? (last ? last.rate : null)
      : last && last.rate !== null ? last.rate + (grown - last.rate) * 0.3 : grown;
    graph.last[name] = { point: [at, value], rate: smooth };
    return smooth;
  };
  status.derived = {
    put: rate('put', status.stores.output.bytes_out),
    published: rate('published', sum(status.partitions, (p) => p.events_published)),
  };
}

/* ---- Drawing ----------------------------------------------------------------------------------- */

const NODE_HEIGHT = 158, ROW_GAP = 30, MARGIN = 2;

const gapBetween = (columns) => (columns === 2 ? 14 : 26);

/* The first of the texts that is not wider; else the last one's beginning. */
function fit(node, texts, width) {
  const wanted = `${width} ${texts.join('|')}`;
  if (node.wanted === wanted) return;
  node.wanted = wanted;
  for (const text of texts) {
    setText(node, text);
    if (node.getComputedTextLength() <= width) return;
  }
  for (let text = texts[texts.length - 1]; text && node.getComputedTextLength() > width; ) {
    text = text.slice(0, -1);
    setText(node, `${text.trimEnd()}…`);
  }
}

function roadColumns(width) {
  return width >= 1000 ? 6 : width >= 500 ? 3 : 2;
}

function nodeParts(x, y, w) {
  const text = (dy, size, more = {}) => draw('text', { x: x + 12, y: y + dy, class: size, ...more });
  const parts = {
    box: draw('rect', { x, y, width: w, height: NODE_HEIGHT, rx: 6, class: 'stage' }),
    title: text(21, 'title'),
    mark: draw('g', { class: 'mark' }),
    value: text(52, 'big'),
    lines: [text(71, 'small'), text(87, 'small')],
    track: draw('rect', { x: x + 12, y: y + 96, width: w - 24, height: 6, rx: 2, class: 'track' }),
    segments: [draw('rect', { y: y + 96, height: 6 }), draw('rect', { y: y + 96, height: 6 })],
    barText: text(115, 'small'),
    area: draw('path', { class: 'area' }),
    line: draw('path', { class: 'spark' }),
    sparkTitle: draw('title'),
  };
  parts.spark = draw('g', {}, parts.sparkTitle, parts.area, parts.line);
  parts.place = { x, y, w };
  return parts;
}

function layRoad(width) {
  const columns = roadColumns(width);
  const gap = gapBetween(columns);
  const w = Math.floor((width - 2 * MARGIN - (columns - 1) * gap) / columns);
  const rows = Math.ceil(ROAD.length / columns);
  const height = rows * NODE_HEIGHT + (rows - 1) * ROW_GAP + 2 * MARGIN;
  const svg = draw('svg', { width, height, role: 'img', 'aria-labelledby': 'road-label' });
  graph.label = draw('title', { id: 'road-label' });
  svg.append(graph.label, draw('defs', {},
    draw('marker', { id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' },
      draw('path', { d: 'M0,0L8,4L0,8Z', class: 'head' })),
    draw('pattern', { id: 'stripes', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
      draw('rect', { width: 6, height: 6, class: 'stripe-ground' }), draw('rect', { width: 3, height: 6, class: 'stripe' }))));
  graph.nodes = ROAD.map((stage, i) => {
    const x = MARGIN + (i % columns) * (w + gap);
    const y = MARGIN + Math.floor(i / columns) * (NODE_HEIGHT + ROW_GAP);
    if (i > 0) svg.append(draw('path', { d: roadEdge(i, x, y, w, columns), class: 'edge', 'marker-end': 'url(#arrow)' }));
    const parts = nodeParts(x, y, w);
    const g = draw('g', { id: `stage-${stage.name}` }, parts.box, parts.title, parts.mark, parts.value, ...parts.lines,
      parts.track, ...parts.segments, parts.barText, parts.spark);
    parts.group = g;
    svg.append(g);
    return parts;
  });
  graph.width = width;
  byId('graph-box').replaceChildren(svg);
}

/* To the right, or from the end of a row around to the beginning of the next. */
function roadEdge(i, x, y, w, columns) {
  const gap = gapBetween(columns);
  if (i % columns) return `M${x - gap + 2},${y + 48}H${x - 2}`;
  const from = MARGIN + (columns - 1) * (w + gap) + w / 2;
  const between = y - ROW_GAP / 2;
  return `M${from},${y - ROW_GAP + 1}V${between}H${x + w / 2}V${y - 2}`;
}

const RANK = { ok: 0, warn: 1, bad: 2 };

function findingAt(stage, findings) {
  let worstOne = null;
  for (const f of findings)
    if (stage.marks.includes(f.stage) && RANK[f.level] > 0 && (!worstOne || RANK[f.level] > RANK[worstOne.level])) worstOne = f;
  return worstOne;
}

function showMark(parts, finding) {
  const level = finding ? finding.level : null;
  setAttributes(parts.group, { class: level ? `at ${level}` : null });
  if (parts.level === level) return;
  parts.level = level;
  parts.mark.replaceChildren();
  if (!finding) return;
  const { x, y, w } = parts.place;
  parts.mark.append(
    draw('path', { d: `M${x + w - 27},${y + 26}l9,-16l9,16z`, class: 'sign' }),
    draw('text', { x: x + w - 18, y: y + 24, class: 'bang', 'text-anchor': 'middle' }, '!'));
}

function showStage(stage, parts, shown, history, finding, now) {
  const { x, y, w } = parts.place;
  parts.value.replaceChildren(shown.value, draw('tspan', { class: 'unit', dx: 4 }, shown.unit));
  fit(parts.title, [stage.title, stage.short || stage.title], w - (finding ? 40 : 24));
  shown.lines.forEach((line, i) => fit(parts.lines[i], [].concat(line), w - 24));
  setAttributes(parts.lines[1], { class: shown.alarm ? 'small alarm' : 'small' });
  fit(parts.barText, [shown.barText, shown.brief || shown.barText], w - 24);
  let from = 0;
  parts.segments.forEach((segment, i) => {
    const [share, kind] = shown.bar[i] || [0, ''];
    const width = Math.max(0, Math.min(1 - from, share)) * (w - 24);
    setAttributes(segment, { x: (x + 12 + from * (w - 24)).toFixed(1), width: width.toFixed(1), class: kind });
    from += share;
  });
  const paths = history.paths(x + 12, y + 124, w - 24, 24, now);
  setAttributes(parts.area, { d: paths.area });
  setAttributes(parts.line, { d: paths.line });
  setText(parts.sparkTitle, `${stage.title}: ${stage.history}, the last 5 minutes`);
  showMark(parts, finding);
}

/* What the picture shows, in words. */
function roadWords(s, shown) {
  return 'The road of an event. ' + ROAD.map((stage, i) => {
    const at = findingAt(stage, s.health.findings);
    const v = shown[i];
    return `${stage.title}: ${v.value} ${v.unit}, ${v.lines.map((line) => [].concat(line)[0]).join(', ')}, ${v.barText}${at ? `. Here: ${at.text}` : ''}.`;
  }).join(' ');
}

function rememberRoad(status) {
  derive(status);
  ROAD.forEach((stage, i) => graph.histories[i].add(status.job.now_ms, stage.seen(status)));
}

function showRoad(status) {
  const width = Math.floor(byId('graph-box').clientWidth);
  if (width === 0) return;
  if (width !== graph.width) layRoad(width);
  const shown = ROAD.map((stage) => stage.show(status));
  ROAD.forEach((stage, i) => showStage(stage, graph.nodes[i], shown[i], graph.histories[i],
    findingAt(stage, status.health.findings), status.job.now_ms));
  setText(graph.label, roadWords(status, shown));
  showProgress(status);
}

/* ---- Progress ---------------------------------------------------------------------------------- */

/* A live job is always some records behind: a backlog is more than ten seconds' worth. */
function showProgress(status) {
  const { done, todo, share, seconds_left: left } = status.progress;
  const backlog = known(share) && (status.job.bounded || todo > Math.max(1000, 10 * status.rates.records));
  byId('progress').hidden = !backlog;
  if (!backlog) return;
  byId('progress-bar').value = share;
  setText(byId('progress-text'), `${percent(share)} · ${count(done)} of ${count(done + todo)} records` +
    ` · ${known(left) ? `${span(left * 1000)} left` : 'time left not known'}`);
}
