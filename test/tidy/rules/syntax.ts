/**
 * Forms of the language that baton does without, so that Node runs the source unchanged and every
 * failure is a `BatonError`. Source: STYLE "Names" and "Errors".
 */
import type { ESTree } from 'rolldown/utils';
import { type Finding, findInCode, type Source, visit } from '../source.ts';

/** No enum, namespace, parameter property, default export. */
export function forms(source: Source): Finding[] {
  const findings: Finding[] = [];
  const found = (rule: string, text: string) => (node: ESTree.Node) => {
    findings.push({ rule, path: source.path, line: source.lineOf(node.start), text });
  };
  visit(source.program, {
    TSEnumDeclaration: found('no-enum', 'an enum: use a union of string literals'),
    TSParameterProperty: found('no-parameter-property', 'a parameter property: assign it'),
    TSModuleDeclaration: found('no-namespace', 'a namespace: use a module'),
    TSExportAssignment: found('no-default-export', 'export =: name what is exported'),
    ExportDefaultDeclaration: (node) => {
      // These tools read the default export of their own settings file.
      if (/(?:^|\/)vitest[a-z.-]*\.config\.ts$/.test(source.path)) return;
      found('no-default-export', 'a default export: name what is exported')(node);
    },
  });
  return findings;
}

const plainError = /\b(?:Aggregate|Eval|Range|Reference|Syntax|Type|URI)?Error\(/g;

/** No plain errors in what ships: they have neither code nor kind. */
export function plainErrors(source: Source): Finding[] {
  if (!/^(?:agent|coordinator|shared)\//.test(source.path)) return [];
  return findInCode(source, 'no-plain-error', plainError, (match) => `${match}…): use BatonError`);
}

const only = /\b(?:test|it|describe)(?:\.\w+)*\.only\b/g;

/** A forgotten `.only` silences every other test of its file. */
export const focusedTests = (source: Source): Finding[] =>
  findInCode(source, 'no-focused-test', only, (match) => `${match} silences the other tests`);
