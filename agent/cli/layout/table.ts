/**
 * A table that fits: when it is wider than the terminal, the least important columns go first.
 *
 * Pure: cells in, lines out. The header is not painted into the cells' widths, so colours never
 * shift a column. A table that is still too wide with its essential columns is left to wrap.
 */
import { columns, hanging, type Line, type Span, span } from './lines.ts';

export interface Column<Row> {
  readonly title: string;
  /** 0 always stays; of the others the highest goes first. */
  readonly rank: number;
  readonly align: 'left' | 'right';
  readonly cell: (row: Row) => Span;
}

const GAP = 2;

/** The table as lines, header first; no lines at all for no rows. */
export function table<Row>(
  all: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): Line[] {
  if (rows.length === 0) return [];
  let shown = [...all];
  while (total(shown, rows) > width) {
    const worst = Math.max(...shown.map((column) => column.rank));
    if (worst === 0) break;
    shown = shown.filter((column) => column.rank !== worst);
  }
  const widths = shown.map((column) => columnWidth(column, rows));
  const header = shown.map((column) => span(column.title, 'dim'));
  const body = rows.map((row) => shown.map((column) => column.cell(row)));
  return [header, ...body].map((cells) =>
    hanging(
      GAP,
      ...cells.flatMap((cell, at) => padded(cell, shown[at], widths[at] ?? 0, at === 0)),
    ),
  );
}

const columnWidth = <Row>(column: Column<Row>, rows: readonly Row[]): number =>
  Math.max(columns(column.title), ...rows.map((row) => columns(column.cell(row).text)));

const total = <Row>(shown: readonly Column<Row>[], rows: readonly Row[]): number =>
  shown.reduce((sum, column) => sum + columnWidth(column, rows) + GAP, -GAP);

function padded<Row>(
  cell: Span,
  column: Column<Row> | undefined,
  width: number,
  first: boolean,
): Span[] {
  const pad = span(' '.repeat(width - columns(cell.text)));
  const gap = span(first ? '' : ' '.repeat(GAP));
  return column?.align === 'right' ? [gap, pad, cell] : [gap, cell, pad];
}
