// The version of search that a deployment publishes. CloudFormation publishes one for a resource with a new name only,
// so the name carries a hash of all that a version freezes: image, memory, environment and so on.
const { createHash } = require('node:crypto');

async function name({ resolveConfigurationProperty }) {
  const { events, ...search } = await resolveConfigurationProperty(['functions', 'search']);
  const { architecture, tracing } = await resolveConfigurationProperty(['provider']);
  const frozen = JSON.stringify({ search, architecture, tracing });
  return `SearchVersion${createHash('sha256').update(frozen).digest('hex').slice(0, 12)}`;
}

async function resources(serverless) {
  const version = {
    Type: 'AWS::Lambda::Version',
    DeletionPolicy: 'RetainExceptOnCreate', // a rollback goes to the version before, never to one whose deployment failed
    UpdateReplacePolicy: 'Retain',
    Properties: { FunctionName: { Ref: 'SearchLambdaFunction' } },
  };
  return { Resources: { [await name(serverless)]: version } };
}

module.exports = { name, resources };
