/* ---- Open windows against the watermark -------------------------------------------------------- */

const ROWS_MAX = 60, ROW = 18, TOP = 26;
const OLDEST = 'oldest', ALL = 'all';

const timeline = { choice: OLDEST, options: '' };

const watermarkOf = (partition) => page.status.partitions.find((p) => p.partition === partition) || {};

/* The event that moves the watermark (newest event - out_of_orderness - 1 ms) to closes_at. */
const closingEvent = (file) => file.closes_at + page.status.job.out_of_orderness_ms + 1;

const windowName = (f, now) => `${clock(f.window_start, now)} to ${clock(f.window_end, now).split(' ').pop()}`;

/* Why a window has not closed; or what it waits for when it has. */
function windowSentence(f, now) {
  if (!known(f.closes_at)) return 'takes events at any time; it is cut by size and age';
  if (f.state === 'sealed') return 'has closed: its last parts are on their way to the store';
  if (f.state === 'publishing') return 'is complete: it becomes visible with the next checkpoint';
  const p = watermarkOf(f.partition);
  const at = closingEvent(f);
  const sentence = `closes when an event of at least ${clock(at, now, true)} arrives in partition ${f.partition}`;
  if (!known(p.max_ts)) return sentence;
  return at > p.max_ts ? `${sentence}; the newest there is of ${clock(p.max_ts, now, true)}, ${span(at - p.max_ts)} before that`
    : `${sentence}; one has, so it closes now`;
}

/* ---- Which ------------------------------------------------------------------------------------- */

function windowFiles() {
  const open = (page.details.files || { open: [] }).open;
  return open.filter((f) => known(f.window_start)).sort((a, b) =>
    a.partition - b.partition || a.window_start - b.window_start || b.age_ms - a.age_ms);
}

/* The partition that the reader asks for: the one whose oldest window has waited longest. */
function chosenPartition(files) {
  if (timeline.choice === ALL) return null;
  if (timeline.choice !== OLDEST) return Number(timeline.choice);
  let oldest = null;
  for (const f of files)
    if (!oldest || f.window_start < oldest.window_start) oldest = f;
  return oldest ? oldest.partition : null;
}

function showChoices() {
  const numbers = page.status.partitions.map((p) => p.partition);
  const text = numbers.join();
  if (timeline.options === text) return;
  timeline.options = text;
  const select = byId('window-partition');
  select.replaceChildren(make('option', { value: OLDEST }, 'with the oldest window'),
    make('option', { value: ALL }, 'all'), ...numbers.map((n) => make('option', { value: n }, String(n))));
  if (![OLDEST, ALL, ...numbers.map(String)].includes(timeline.choice)) timeline.choice = OLDEST;
  select.value = timeline.choice;
}

/* ---- Drawing ----------------------------------------------------------------------------------- */

/* A step for the axis: the smallest that leaves room for its labels. */
function axisStep(range, width) {
  const steps = [1, 2, 5, 10, 15, 30].map((s) => s * SECOND)
    .concat([1, 2, 5, 10, 15, 30].map((m) => m * MINUTE))
    .concat([1, 2, 3, 6, 12].map((h) => h * HOUR))
    .concat([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000].map((d) => d * DAY));
  const most = Math.max(2, Math.floor(width / 78));
  return steps.find((s) => range / s <= most) || range;
}

function timeRange(files) {
  const marks = [];
  for (const f of files) {
    const p = watermarkOf(f.partition);
    marks.push(f.window_start, f.window_end, f.closes_at + 1);
    /* A time far away (a wrong clock) would press all windows to a line: it is drawn at the edge. */
    const size = f.window_end - f.window_start, far = 50 * size + page.status.job.out_of_orderness_ms;
    for (const t of [p.watermark, p.max_ts])
      if (known(t) && Math.abs(t - f.window_start) < far) marks.push(t);
  }
  const low = Math.min(...marks), high = Math.max(...marks), pad = (high - low) * 0.02;
  return [low - pad, high + pad];
}

function drawAxis(svg, [low, high], x, width, height, now) {
  const step = axisStep(high - low, width);
  for (let t = Math.ceil(low / step) * step; t <= high; t += step) {
    const at = x(t).toFixed(1);
    const text = step >= DAY ? (iso(t) || '').slice(0, 10) : clock(t, t).slice(0, step < MINUTE ? 8 : 5);
    svg.append(draw('line', { x1: at, x2: at, y1: TOP - 4, y2: height - 4, class: 'grid' }),
      draw('text', { x: at, y: 14, class: 'axis', 'text-anchor': 'middle' }, text));
  }
}

function drawWindow(svg, f, y, x, labels, now) {
  const from = x(f.window_start), to = x(f.window_end), close = x(f.closes_at + 1);
  const g = draw('g', { class: `window ${f.state}` },
    draw('title', {}, `Partition ${f.partition}, ${windowName(f, now)}: ${plural(f.events, 'event')}, ${bytes(f.bytes)}. It ${windowSentence(f, now)}.`),
    draw('rect', { x: from.toFixed(1), y: y + 3, width: Math.max(2, to - from).toFixed(1), height: ROW - 6, rx: 2 }));
  if (close - to > 1)
    g.append(draw('line', { x1: to.toFixed(1), x2: close.toFixed(1), y1: y + ROW / 2, y2: y + ROW / 2, class: 'wait' }));
  g.append(draw('path', { d: `M${close.toFixed(1)},${y + 1}v${ROW - 2}`, class: 'close' }));
  g.append(draw('text', { x: labels - 8, y: y + 13, class: 'axis', 'text-anchor': 'end' }, `p${f.partition}  ${clock(f.window_start, f.window_start).slice(0, 5)}`));
  svg.append(g);
}

/* The watermark and the newest event of one partition, across its rows. */
function drawLines(svg, partition, top, bottom, x, [left, right]) {
  const p = watermarkOf(partition);
  const clamp = (t) => Math.max(left + 1, Math.min(right - 1, x(t)));
  if (!known(p.watermark)) return;
  const w = clamp(p.watermark + 1), m = clamp(p.max_ts);
  svg.append(draw('rect', { x: w.toFixed(1), y: top, width: Math.max(0, m - w).toFixed(1), height: bottom - top, class: 'between' }),
    draw('line', { x1: w.toFixed(1), x2: w.toFixed(1), y1: top, y2: bottom, class: 'watermark' }),
    draw('line', { x1: m.toFixed(1), x2: m.toFixed(1), y1: top, y2: bottom, class: 'newest' }));
}

/* The lines' names below them, the newest event's only where both have room. */
function drawNames(svg, p, y, x, [left, right]) {
  if (!known(p.watermark)) return;
  const name = (t, text, kind) => {
    const at = Math.max(left, Math.min(right, x(t)));
    const width = text.length * 6.6;
    const before = kind === 'watermark' ? at - width >= left : at + width > right;
    const node = draw('text', { x: at.toFixed(1), y, class: `axis ${kind}-name`, 'text-anchor': before ? 'end' : 'start' }, text);
    return { node, from: before ? at - width : at, to: before ? at : at + width };
  };
  const watermark = name(p.watermark + 1, `watermark ${clock(p.watermark, p.watermark)}`, 'watermark');
  const newest = name(p.max_ts, `newest ${clock(p.max_ts, p.max_ts)}`, 'newest');
  svg.append(watermark.node);
  if (newest.from > watermark.to + 6) svg.append(newest.node);
}

function drawTimeline(files, width, now) {
  const labels = 74;
  const single = files[0].partition === files[files.length - 1].partition;
  const height = TOP + files.length * ROW + (single ? 24 : 10);
  const range = timeRange(files);
  const x = (t) => labels + ((t - range[0]) / (range[1] - range[0])) * (width - labels - 8);
  const svg = draw('svg', { width, height, role: 'img', 'aria-label': timelineWords(files, now) });
  drawAxis(svg, range, x, width - labels, height, now);
  let first = 0;
  files.forEach((f, i) => {
    if (i + 1 < files.length && files[i + 1].partition === f.partition) return;
    drawLines(svg, f.partition, TOP - 6 + first * ROW + (first ? 6 : 0), TOP + (i + 1) * ROW + 4, x, [labels, width - 8]);
    first = i + 1;
  });
  files.forEach((f, i) => drawWindow(svg, f, TOP + i * ROW, x, labels, now));
  if (single) drawNames(svg, watermarkOf(files[0].partition), height - 5, x, [labels, width - 8]);
  return svg;
}

function timelineWords(files, now) {
  const by = (state) => files.filter((f) => f.state === state).length;
  return `Timeline of ${plural(files.length, 'window')} against the watermark: ${by('open')} open, ${by('sealed')} closed and ` +
    `uploading, ${by('publishing')} waiting for a checkpoint. The table below tells the same.`;
}

function timelineSentence(all, files, partition, now) {
  if (!page.details.files) return 'Asking for open files …';
  if (all.length === 0) return 'No window is open.';
  if (files.length === 0) return `Partition ${partition} has no open window.`;
  const oldest = files.reduce((a, b) => (b.state === 'open' && (a.state !== 'open' || b.window_start < a.window_start) ? b : a));
  const more = files.length > ROWS_MAX ? ` ${count(ROWS_MAX)} of ${count(files.length)} are drawn; the table has all.` : '';
  const cut = page.details.files.cut ? ' There are more than the server lists.' : '';
  return `The oldest, ${windowName(oldest, now)}, ${windowSentence(oldest, now)}.${more}${cut}`;
}

const openTable = new Table('open-table', [
  { title: 'Partition', number: true, head: true, cell: (f) => String(f.partition) },
  { title: 'Window', cell: (f) => (known(f.window_start) ? windowName(f, serverNow()) : `_${f.class}`) },
  { title: 'State', cell: (f) => f.state },
  { title: 'Events', number: true, cell: (f) => ({ text: count(f.events), small: `${count(f.acknowledged_events)} stored` }) },
  { title: 'Size', number: true, cell: (f) => bytes(f.bytes) },
  { title: 'Age', number: true, cell: (f) => age(f.age_ms) },
  { title: 'It', cell: (f) => windowSentence(f, serverNow()) },
], { key: (f) => f.key, empty: 'No file is open.' });

/* An open file has no name yet: its window's, and its place among those of the same window. */
function nameFiles(files) {
  const seen = new Map();
  for (const f of files) {
    const window = `${f.partition} ${f.class} ${f.window_start}`;
    seen.set(window, (seen.get(window) || 0) + 1);
    f.key = `${window} ${seen.get(window)}`;
  }
  return files;
}

function showTimeline() {
  if (!page.status) return;
  const now = serverNow();
  showChoices();
  const all = windowFiles();
  const partition = chosenPartition(all);
  const files = timeline.choice === ALL ? all : all.filter((f) => f.partition === partition);
  setText(byId('window-sentence'), timelineSentence(all, files, partition, now));
  const drawn = files.slice(0, ROWS_MAX);
  redraw(byId('timeline'), drawn.map((f) => {
    const p = watermarkOf(f.partition);
    return [f.partition, f.window_start, f.state, f.events, f.bytes, p.watermark, p.max_ts];
  }), (width) => drawTimeline(drawn, width, now));
  if (page.details.files && byId('open-table').closest('details').open) openTable.show(nameFiles(page.details.files.open));
}

byId('window-partition').addEventListener('change', (event) => {
  timeline.choice = event.target.value;
  showTimeline();
});
byId('open-table').closest('details').addEventListener('toggle', showTimeline);
