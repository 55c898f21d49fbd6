// Spark of a stage (`spark` of infra/stages/): a stage without it gets nothing of it.
const { number, where } = require('./stage.js');

// What all jobs together may use at once. 4 GB a core: a process a core, each with a bundle open, beside Java.
// A driver and an executor have four cores each (spark.yml), so with fewer than eight no job would begin.
async function capacity(serverless) {
  const cores = await number(serverless, 'spark_cores', 8, 4000);
  return { Cpu: `${cores} vCPU`, Memory: `${4 * cores} GB`, Disk: `${20 * cores} GB` };
}

// The image that infra/images/spark.Dockerfile makes; without one workers run EMR's own.
async function image(serverless) {
  const address = String(await serverless.resolveVariable('param:spark_image'));
  if (address && !/^[\w.-]+\.dkr\.ecr\.[\w-]+\.amazonaws\.com(\.cn)?\/[\w./-]+(:[\w.-]+|@sha256:[0-9a-f]{64})$/.test(address)) {
    throw new Error(`spark_image of infra/stages/ is "${address}": write an ECR address with a tag or digest, or ""`);
  }
  return address ? { ImageUri: address } : { Ref: 'AWS::NoValue' };
}

module.exports = {
  resources: where('spark', 'infra/resources/spark.yml'),
  rights: where('spark', 'infra/iam/spark.yml'),
  capacity,
  image,
};
