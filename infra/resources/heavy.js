// The heavy reranker of a stage: whether there is one (`heavy` and `heavy_batch` of infra/stages/), and what follows from
// the stage's other values. A stage without one gets no resource of it, and search the name of none.
const { switched, number, where } = require('./stage.js');

async function batch(serverless, file) {
  if (!(await switched(serverless, 'heavy_batch'))) return {};
  if (await switched(serverless, 'heavy')) return `\${file(${file})}`;
  throw new Error('heavy_batch of infra/stages/ is "on" and heavy is "off": the batch endpoint runs the same model');
}

// What search calls: endpoint and inference component have one name. Empty: it calls nobody.
async function name(serverless) {
  const stage = await serverless.resolveVariable('sls:stage');
  return (await switched(serverless, 'heavy')) ? `aisle-${stage}-heavy` : '';
}

// Copies that a deployment starts, so that one fails where the model does not load.
const copies = async (serverless) => Math.max(1, await floor(serverless));

// One copy fills an instance's GPU, and an update runs the old copies beside the new ones.
const instances = async (serverless) => 2 * (await ceiling(serverless));

const ceiling = (serverless) => number(serverless, 'heavy_ceiling', 1, 100);

async function floor(serverless) {
  return number(serverless, 'heavy_floor', 0, await ceiling(serverless));
}

async function hours(serverless) {
  return [await number(serverless, 'heavy_from_hour', 0, 23), await number(serverless, 'heavy_until_hour', 0, 23)];
}

// Scheduled actions: floor and ceiling at one hour, nothing at all from another one on. None where it never closes.
async function schedule(serverless) {
  const [from, until] = await hours(serverless);
  if (from === until) return [];
  const action = (ScheduledActionName, hour, MinCapacity, MaxCapacity) => ({
    ScheduledActionName,
    Schedule: `cron(0 ${hour} * * ? *)`,
    Timezone: 'UTC',
    ScalableTargetAction: { MinCapacity, MaxCapacity },
  });
  return [action('open', from, await floor(serverless), await ceiling(serverless)), action('close', until, 0, 0)];
}

// A condition of CloudWatch's metric math on the series `asked`: whether a point lies in the hours, which are UTC there.
async function open(serverless) {
  const [from, until] = await hours(serverless);
  if (from === until) return 'HOUR(asked) >= 0';
  return `HOUR(asked) >= ${from} ${from < until ? 'AND' : 'OR'} HOUR(asked) < ${until}`;
}

module.exports = {
  resources: where('heavy', 'infra/resources/heavy.yml'),
  rights: where('heavy', 'infra/iam/heavy.yml'),
  batch: (serverless) => batch(serverless, 'infra/resources/heavy-batch.yml'),
  batch_rights: (serverless) => batch(serverless, 'infra/iam/heavy-batch.yml'),
  name,
  copies,
  instances,
  schedule,
  open,
};
