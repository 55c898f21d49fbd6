// A catalogue that lies in a table (`catalogue` of infra/stages/): the functions that open the bundle may read it there.
const { switched } = require('./stage.js');

const ADDRESS = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:\/[\w.=-]+)+)\/?$/;

async function address({ resolveVariable }) {
  return String(await resolveVariable('param:catalogue'));
}

async function parts(serverless) {
  const named = await address(serverless);
  const found = ADDRESS.exec(named);
  if (!found) {
    throw new Error(`catalogue of infra/stages/ is "${named}": write what --catalogue-at said, s3://BUCKET/PREFIX, or ""`);
  }
  return { bucket: found[1], prefix: found[2].slice(1) };
}

async function resources(serverless) {
  return (await address(serverless)) ? '${file(infra/resources/catalogue.yml)}' : {};
}

async function roles(serverless) {
  const batch = (await switched(serverless, 'batch')) ? ['BatchRole'] : [];
  return ['SearchRole', 'RecommendRole', 'NightlyRole', ...batch].map((role) => ({ Ref: role }));
}

const bucket = async (serverless) => (await parts(serverless)).bucket;
const prefix = async (serverless) => (await parts(serverless)).prefix;

module.exports = { resources, roles, bucket, prefix };
