/* ---- Asking the server ------------------------------------------------------------------------- */

const STATUS_MS = 1000, DETAILS_MS = 2000, HIDDEN_TIMES = 10;

/* What is asked only while its part of the page is seen. */
const DETAILS = [
  { name: 'files', path: 'tidemark/files', seenAt: ['windows', 'files'], show: showFiles },
  { name: 'checkpoints', path: 'tidemark/checkpoints', seenAt: ['checkpoints'], show: showCheckpoints },
  { name: 'errors', path: 'tidemark/errors', seenAt: ['exceptions'], show: showErrors },
  { name: 'samples', path: 'tidemark/samples', seenAt: ['bad'], show: showSamples, refused: samplesRefused },
  { name: 'settings', path: 'tidemark/settings', seenAt: ['settings'], show: showSettings, once: true },
];

const visible = new Set();

async function askDetail(detail) {
  if (detail.asking || (detail.once && page.details[detail.name])) return;
  /* Refused once, it is refused again until there is another token. */
  if (detail.refusedWith !== undefined && detail.refusedWith === sessionStorage.getItem(TOKEN)) return;
  detail.asking = true;
  try {
    const answer = await call('GET', detail.path);
    page.details[detail.name] = answer;
    detail.show();
    if (answer.watched === false) setTimeout(askDetails, 400); /* open files are listed from now on */
  } catch (error) {
    if (error instanceof Refusal && detail.refused) {
      detail.refusedWith = sessionStorage.getItem(TOKEN);
      detail.refused(error);
    }
    else if (!(error instanceof Refusal)) lost();
  } finally {
    detail.asking = false;
  }
}

function askDetails() {
  if (page.gone || !page.status) return;
  for (const detail of DETAILS)
    if (detail.seenAt.some((id) => visible.has(id))) askDetail(detail);
}

/* Another process answers: what was known of the last one says nothing about it. */
function forget() {
  page.details = {};
  page.toldToEnd = false;
  graph.last = {};
  graph.histories = ROAD.map(() => new History());
}

function lost() {
  if (!page.gone) {
    page.gone = true;
    showGone();
  }
  showLive();
}

function came(status) {
  const last = page.status;
  if (last && (last.job.pid !== status.job.pid || last.job.started_ms !== status.job.started_ms)) forget();
  page.status = status;
  page.came = Date.now();
  page.gone = false;
  rememberRoad(status);
  showAll();
}

function showAll() {
  if (!page.status) return;
  showLive();
  if (page.gone) return;
  showHealth(page.status);
  showRoad(page.status);
  showPartitions(page.status);
  showReasons(page.status);
  showTimeline();
}

async function askStatus() {
  try {
    came(await call('GET', 'tidemark/status'));
  } catch (error) {
    lost();
  }
}

/* ---- Rounds ------------------------------------------------------------------------------------ */

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries)
    if (entry.isIntersecting) visible.add(entry.target.id);
    else visible.delete(entry.target.id);
  askDetails();
}, { rootMargin: '200px' });
for (const section of document.querySelectorAll('main section')) watcher.observe(section);

/* In the next frame: drawing within the observer's call would resize what it observes. */
const sizes = new ResizeObserver(() => requestAnimationFrame(() => {
  if (!page.status) return;
  showRoad(page.status);
  showTimeline();
  if (page.details.checkpoints) showCheckpoints();
}));
for (const id of ['graph-box', 'timeline', 'checkpoint-chart']) sizes.observe(byId(id));

let round = 0;
async function rounds() {
  for (;;) {
    const began = Date.now();
    await askStatus();
    if (round % Math.round(DETAILS_MS / STATUS_MS) === 0) askDetails();
    round++;
    showLive();
    const every = document.hidden ? STATUS_MS * HIDDEN_TIMES : STATUS_MS;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(100, every - (Date.now() - began)));
      if (document.hidden) document.addEventListener('visibilitychange', () => {
        clearTimeout(timer);
        resolve();
      }, { once: true });
    });
  }
}
rounds();
