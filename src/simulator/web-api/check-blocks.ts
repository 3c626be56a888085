import { isObject } from './api-arguments.ts';
import { invalidArguments, SlackApiError } from './slack-api-error.ts';

type Block = Readonly<Record<string, unknown>>;

const BLOCKS = 50;
const MARKDOWN_CHARACTERS = 12_000;
const SECTION_CHARACTERS = 3_000;
const TABLE_ROWS = 100;

/**
 * Whether Slack would take these blocks: those that apps send, with the fields and limits of their documentation.
 * Source: https://docs.slack.dev/reference/block-kit/blocks
 *
 * @throws SlackApiError `invalid_blocks`, `invalid_arguments`
 */
export function checkBlocks(blocks: readonly unknown[]): void {
  if (blocks.length > BLOCKS) {
    throw invalidArguments(`no more than ${BLOCKS} items allowed [json-pointer:/blocks]`);
  }
  const ids = new Set<string>();
  for (const [index, block] of blocks.entries()) {
    const at = `/blocks/${index}`;
    if (!isObject(block)) throw refused(at, 'must be an object');
    checkBlock(block, at);
    const { block_id: id } = block;
    if (id === undefined) continue;
    if (typeof id !== 'string' || id === '' || id.length > 255) throw refused(`${at}/block_id`, 'invalid');
    if (ids.has(id)) throw refused(`${at}/block_id`, 'already exists');
    ids.add(id);
  }
  if ((markdownOf(blocks)?.length ?? 0) > MARKDOWN_CHARACTERS) throw new SlackApiError('msg_too_long');
}

/** The text of the markdown blocks; `null`: there are none. */
export function markdownOf(blocks: readonly unknown[]): string | null {
  const texts = blocks.flatMap((block) =>
    isObject(block) && block.type === 'markdown' ? [String(block.text)] : [],
  );
  return texts.length === 0 ? null : texts.join('\n');
}

function checkBlock(block: Block, at: string): void {
  switch (block.type) {
    case 'markdown':
      only(block, at, ['type', 'block_id', 'text']);
      if (typeof block.text !== 'string' || block.text === '')
        throw refused(`${at}/text`, 'must be a string');
      checkTableRows(block.text, `${at}/text`);
      return;
    case 'section':
      only(block, at, ['type', 'block_id', 'text', 'fields', 'accessory', 'expand']);
      checkText(block.text, `${at}/text`, ['plain_text', 'mrkdwn'], SECTION_CHARACTERS);
      return;
    case 'context':
      only(block, at, ['type', 'block_id', 'elements']);
      for (const [index, element] of list(block.elements, `${at}/elements`, 10).entries())
        checkText(element, `${at}/elements/${index}`, ['plain_text', 'mrkdwn'], SECTION_CHARACTERS);
      return;
    case 'actions':
      only(block, at, ['type', 'block_id', 'elements']);
      checkButtons(list(block.elements, `${at}/elements`, 25), `${at}/elements`);
      return;
    case 'divider':
    case 'rich_text':
      return;
    default:
      throw refused(`${at}/type`, `unsupported type: ${String(block.type)}`);
  }
}

/** A markdown block becomes other blocks, and a table block takes 100 rows. */
function checkTableRows(markdown: string, at: string): void {
  let rows = 0;
  for (const line of markdown.split('\n')) {
    rows = line.trimStart().startsWith('|') ? rows + 1 : 0;
    // The line of dashes is none.
    if (rows > TABLE_ROWS + 1) throw refused(at, `no more than ${TABLE_ROWS} rows allowed`);
  }
}

function checkButtons(elements: readonly unknown[], at: string): void {
  const names = new Set<string>();
  for (const [index, element] of elements.entries()) {
    const place = `${at}/${index}`;
    if (!isObject(element) || element.type !== 'button') throw refused(place, 'must be a button');
    only(element, place, ['type', 'action_id', 'text', 'value', 'style', 'url', 'accessibility_label']);
    checkText(element.text, `${place}/text`, ['plain_text'], 75);
    const { action_id: name, value = '' } = element;
    if (typeof name !== 'string' || name.length > 255) throw refused(`${place}/action_id`, 'invalid');
    if (names.has(name)) throw refused(`${place}/action_id`, `"${name}" already exists`);
    if (typeof value !== 'string' || value.length > 2_000) throw refused(`${place}/value`, 'too long');
    names.add(name);
  }
}

function checkText(value: unknown, at: string, types: readonly string[], limit: number): void {
  if (!isObject(value) || !types.includes(String(value.type))) throw refused(at, 'must be a text object');
  only(value, at, ['type', 'text', 'emoji', 'verbatim']);
  if (typeof value.text !== 'string' || value.text === '')
    throw refused(at, 'must be more than 0 characters');
  if (value.text.length > limit) throw refused(at, `must be less than ${limit + 1} characters`);
}

function list(value: unknown, at: string, limit: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw refused(at, 'must be a list with something in it');
  if (value.length > limit) throw refused(at, `no more than ${limit} items allowed`);
  return value;
}

function only(value: Block, at: string, known: readonly string[]): void {
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) throw refused(at, `must not have the property ${name}`);
  }
}

function refused(pointer: string, message: string): SlackApiError {
  const messages = [`[ERROR] ${message} [json-pointer:${pointer}]`];
  return new SlackApiError('invalid_blocks', { errors: messages, response_metadata: { messages } });
}
