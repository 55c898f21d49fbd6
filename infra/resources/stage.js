// What a stage's values of infra/stages/ say, checked: switches, whole numbers, and which files a switch brings.
const SWITCH = { on: true, off: false };

async function switched({ resolveVariable }, name) {
  const value = String(await resolveVariable(`param:${name}`));
  if (!(value in SWITCH)) {
    throw new Error(`${name} of infra/stages/ is "${value}": write "on" or "off"`);
  }
  return SWITCH[value];
}

async function number({ resolveVariable }, name, least, most) {
  const value = Number(await resolveVariable(`param:${name}`));
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`${name} of infra/stages/ has to be a whole number from ${least} to ${most}`);
  }
  return value;
}

const where = (name, file) => async (serverless) => ((await switched(serverless, name)) ? `\${file(${file})}` : {});

module.exports = { switched, number, where };
