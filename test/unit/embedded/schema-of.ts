/** A datastore's schema in a form that compares: SQL is the same however it is spaced. */
import type { DatabaseSync } from 'node:sqlite';

/** Every table, index, view and trigger as SQL, in order of their names; SQLite's own left out. */
export const schemaOf = (database: DatabaseSync): string[] =>
  database
    .prepare("SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
    .all()
    .map(({ sql }) =>
      String(sql)
        .replaceAll(/\s+/g, ' ')
        .replaceAll(/ ?([(),]) ?/g, '$1'),
    );
