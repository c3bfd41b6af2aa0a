/* ---- The job's head and the judgement ---------------------------------------------------------- */

const LEVELS = {
  ok: 'Healthy',
  warn: 'Warning',
  bad: 'Trouble',
  ended: 'Ended',
  gone: 'No answer',
};

const STAGES = {
  kafka: 'Kafka',
  worker: 'read, parse, window',
  store: 'store',
  checkpoint: 'checkpoint',
  data: 'the data',
  job: 'the job',
};

/* The sentence is read out when it changes, so a number that changes each second must not be in it. */
function calmSummary(status) {
  const { health, partitions } = status;
  if (health.level !== 'ok' || health.findings.some((f) => f.level !== 'ok')) return health.summary;
  if (status.job.state !== 'RUNNING' && health.findings.length) return health.summary;
  return partitions.length ? `All is well: ${plural(partitions.length, 'partition')}.`
    : 'All is well so far: no partition is assigned yet.';
}

/* The first finding is the summary itself, most often: only its advice is new then. */
function findingNode(finding, summary) {
  const where = known(finding.partition) ? `${STAGES[finding.stage]}, partition ${finding.partition}` : STAGES[finding.stage];
  return make('li', { class: `finding ${finding.level}` },
    make('span', { class: 'where' }, where || finding.stage),
    ...(finding.text === summary ? [] : [make('span', { class: 'text' }, finding.text)]),
    make('span', { class: 'advice' }, finding.advice || ''));
}

function showFindings(findings, summary) {
  const list = byId('findings');
  const text = JSON.stringify(findings);
  if (list.dataset.shown === text) return; /* the same: what is selected stays so */
  list.dataset.shown = text;
  list.replaceChildren(...findings.map((f) => findingNode(f, summary)));
}

function showLevel(level, summary) {
  setAttributes(byId('health'), { 'data-level': level });
  setText(byId('health-level'), LEVELS[level] || level);
  setText(byId('health-summary'), summary);
  const title = `${LEVELS[level] || level} · ${page.status ? page.status.job.name : 'tidemark'}`;
  if (document.title !== title) document.title = title;
}

function showFacts(job, now) {
  const facts = [
    ['State', `${job.state.toLowerCase()} for ${age(now - job.since_ms)}`],
    ['Process', `${job.host}:${job.pid}, since ${clock(job.started_ms, now)}`],
    ['Windows', `${span(job.window_size_ms)}, out of order up to ${span(job.out_of_orderness_ms)}` +
      (job.allowed_lateness_ms ? `, late up to ${span(job.allowed_lateness_ms)}` : '')],
    ['Restarts', count(page.status.restarts)],
  ];
  const list = byId('job-facts');
  facts.forEach(([name, value], i) => {
    if (!list.children[i])
      list.append(make('div', {}, make('dt', {}, name), make('dd')));
    setText(list.children[i].lastChild, value);
  });
}

function showHead(job) {
  setText(byId('job-name'), job.name);
  setText(byId('job-where'), `${job.topic} at ${job.brokers} → ${job.output}`);
  setText(byId('about'), `tidemark ${job.version} · job ${job.id} · group ${job.group_id}`);
}

function showHealth(status) {
  showHead(status.job);
  showLevel(status.health.level, calmSummary(status));
  showFindings(status.health.findings, calmSummary(status));
  showFacts(status.job, serverNow());
}

/* Once a second also while nothing comes. */
function showLive() {
  const now = Date.now();
  setAttributes(byId('live'), { 'data-live': page.gone ? 'gone' : page.status ? 'live' : 'asking' });
  setAttributes(document.body, { class: page.gone ? 'stale' : null });
  if (!page.gone) {
    if (page.status) setText(byId('live-text'), `live · ${clock(serverNow(), serverNow())} UTC`);
    return;
  }
  const seen = page.came ? `${clock(page.came, now)} UTC, ${ago(now - page.came)}` : 'never';
  setText(byId('live-text'), `last seen ${seen}`);
}

function showGone() {
  const ended = page.status &&
    (page.toldToEnd || ['CANCELLING', 'CANCELED', 'FINISHED'].includes(page.status.job.state));
  const at = page.came ? clock(page.came, Date.now()) : null;
  if (ended) showLevel('gone', `The job was told to end, and its server has gone. Last seen at ${at} UTC.`);
  else if (at) showLevel('gone', `The server does not answer. Last seen at ${at} UTC; all below is from then.`);
  else showLevel('gone', 'The server does not answer.');
  showFindings([]);
}
