import { CONTAINERS, engineOf, functionSpec, functionsOf } from '#config/functions.ts';
import { engineTask, functionOf, type Rule } from './view.ts';

/** Set beside the registry's, for Node itself. */
const NODE = /^NODE_/;

function compare(of: string, told: readonly string[], reads: readonly string[]): readonly string[] {
  return [
    ...reads.filter((each) => !told.includes(each)).map((each) => `${of} is not told ${each}`),
    ...told
      .filter((each) => !reads.includes(each) && !NODE.test(each))
      .map((each) => `${of} is told ${each}, which it does not read`),
  ];
}

export const VARIABLES: Rule = {
  name: 'tells every program exactly what the registry says that it reads',
  problems: (made) => {
    const container = (
      engineTask(made)?.Properties['ContainerDefinitions'] as
        | readonly { readonly Environment: readonly { readonly Name: string }[] }[]
        | undefined
    )?.[0];
    return [
      ...functionsOf(made.settings).flatMap((name) => {
        const environment = functionOf(made, name)?.Properties['Environment'] as
          | { readonly Variables: Readonly<Record<string, unknown>> }
          | undefined;
        return compare(name, Object.keys(environment?.Variables ?? {}), functionSpec(name).env);
      }),
      ...compare(
        'engine',
        (container?.Environment ?? []).map(({ Name }) => Name),
        CONTAINERS[engineOf(made.settings)].env,
      ),
    ];
  },
};

export const FUNCTIONS: Rule = {
  name: 'has every function of the registry',
  problems: (made) =>
    functionsOf(made.settings)
      .filter((name) => functionOf(made, name) === undefined)
      .map((name) => `there is no function ${name}`),
};
