// The state machine's definition as CloudFormation takes it: the text of a file of its own, which linters and tests read.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const definition = () => readFileSync(join(__dirname, '../pipeline/state-machine.asl.json'), 'utf8');

module.exports = { definition };
