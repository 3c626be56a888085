import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';

/** Slack nests rich text four deep (block, list, section, element); what lies deeper is not Slack's. */
const MAX_DEPTH = 8;

/**
 * The text of a message that has none of its own: apps may send blocks only. Returned in Slack's markup, so that
 * `normaliseText` reads it like any other. Tables are left out, see `tablesText`.
 *
 * Source: https://docs.slack.dev/reference/block-kit/blocks
 */
export function textFromBlocks(message: JsonRecord): string {
  const blocks = asRecords(message.blocks).map((block) => blockText(block, 0));
  return joined(blocks, '\n');
}

/** The same of a message of attachments alone, as older apps send them. */
export function textFromAttachments(message: JsonRecord): string {
  const attachments = asRecords(message.attachments).map(
    (attachment) => asText(attachment.text) || asText(attachment.fallback),
  );
  return joined(attachments, '\n');
}

function blockText(block: JsonRecord, depth: number): string {
  if (depth > MAX_DEPTH) return '';
  switch (block.type) {
    case 'rich_text':
    case 'rich_text_list':
      return joined(childTexts(block.elements, depth), '\n');
    case 'rich_text_section':
    case 'rich_text_quote':
    case 'rich_text_preformatted':
      return childTexts(block.elements, depth).join('');
    case 'section':
    case 'header':
      return joined([objectText(block.text), ...asRecords(block.fields).map(objectText)], '\n');
    case 'context':
      return joined(asRecords(block.elements).map(objectText), ' ');
    case 'markdown':
      return objectText(block);
    case 'image':
      return imageText(block);
    default:
      return elementText(block);
  }
}

function childTexts(elements: unknown, depth: number): readonly string[] {
  return asRecords(elements).map((element) => blockText(element, depth + 1));
}

function imageText(block: JsonRecord): string {
  const name = objectText(block.title) || escapeEntities(asText(block.alt_text));
  return name === '' ? '' : `[image: ${name}]`;
}

/** One element of rich text, in the markup that the same thing has in a message's `text`. */
function elementText(element: JsonRecord): string {
  switch (element.type) {
    case 'text':
      return escapeEntities(asText(element.text));
    case 'user':
      return `<@${asText(element.user_id)}>`;
    case 'channel':
      return `<#${asText(element.channel_id)}>`;
    case 'usergroup':
      return `<!subteam^${asText(element.usergroup_id)}>`;
    case 'broadcast':
      return `<!${asText(element.range)}>`;
    case 'link':
      return linkText(asText(element.url), asText(element.text));
    case 'emoji':
      return `:${asText(element.name)}:`;
    case 'date':
      return escapeEntities(asText(element.fallback));
    default:
      return '';
  }
}

function linkText(url: string, label: string): string {
  return `<${escapeEntities(url)}${label === '' ? '' : `|${escapeEntities(label)}`}>`;
}

/** A text object (`plain_text`, `mrkdwn`) or a block that carries its text itself. */
function objectText(value: unknown): string {
  const object = asRecord(value);
  if (object === null) return '';
  const text = asText(object.text);
  return object.type === 'plain_text' ? escapeEntities(text) : text;
}

function escapeEntities(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function joined(parts: readonly string[], separator: string): string {
  return parts.filter((part) => part !== '').join(separator);
}
