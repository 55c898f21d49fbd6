// Batch scoring of a stage (`batch` of infra/stages/): a stage without it gets nothing of it, not even an image.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { number, where } = require('./stage.js');

// Lambda's event source takes 2 to 1000; the map over a large file's chunks keeps to the same number.
const concurrency = (serverless) => number(serverless, 'batch_concurrency', 2, 1000);

// The state machine as CloudFormation takes it, text; the file itself is what linters and tests read.
async function definition(serverless) {
  const machine = JSON.parse(readFileSync(join(__dirname, '../batch/state-machine.asl.json'), 'utf8'));
  machine.States.Chunks.MaxConcurrency = await concurrency(serverless);
  return JSON.stringify(machine);
}

module.exports = {
  resources: where('batch', 'infra/resources/batch.yml'),
  rights: where('batch', 'infra/iam/batch.yml'),
  concurrency,
  definition,
};
