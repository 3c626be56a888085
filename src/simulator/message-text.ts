import { escapeRegExp } from '../core/escape-reg-exp.ts';
import type { Workspace } from './workspace.ts';

/**
 * Slack's text form: `&`, `<` and `>` are escaped, and everything else in angle brackets is an entity: `<@U…>`,
 * `<#C…|name>`, `<https://…|label>`, `<!here>`.
 */
const ENTITY = /<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>/g;

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function unescapeText(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

/** User ids mentioned in a text, in order, each once. */
export function mentionedUserIds(text: string): readonly string[] {
  const ids = [...text.matchAll(ENTITY)].filter(([, sigil]) => sigil === '@').map(([, , id]) => id ?? '');
  return [...new Set(ids)];
}

/**
 * What a person types, as Slack's own client sends it: `@handle` or `@Name` and `#channel` become entities, addresses
 * links, the rest is escaped. Known entities that are already there are kept.
 */
export function typedToSlack(workspace: Workspace, typed: string): string {
  const names = new Map<string, string>();
  for (const user of workspace.users.values()) {
    for (const name of [user.handle, user.name, user.name.split(' ')[0] ?? user.name]) {
      const key = `@${name.toLowerCase()}`;
      if (!names.has(key)) names.set(key, `<@${user.id}>`);
    }
  }
  for (const channel of workspace.channels.values()) {
    if (channel.kind !== 'im')
      names.set(`#${channel.name.toLowerCase()}`, `<#${channel.id}|${channel.name}>`);
  }
  for (const group of ['here', 'channel', 'everyone']) names.set(`@${group}`, `<!${group}>`);
  const alternatives = [...names.keys()].sort((a, b) => b.length - a.length).map(escapeRegExp);
  const pattern = new RegExp(
    `<@([A-Z0-9]+)>|<#([A-Z0-9]+)(?:\\|[^<>]*)?>|(?<![\\w@#])(${alternatives.join('|')})(?![\\w-])|https?://[^\\s<>]+`,
    'gi',
  );
  let text = '';
  let position = 0;
  for (const match of typed.matchAll(pattern)) {
    const [whole, userId, channelId, name] = match;
    const entity = name
      ? names.get(name.toLowerCase())
      : userId
        ? workspace.users.has(userId) && whole
        : channelId
          ? workspace.channels.has(channelId) && whole
          : `<${escapeText(whole)}>`;
    if (!entity) continue;
    text += escapeText(typed.slice(position, match.index)) + entity;
    position = match.index + whole.length;
  }
  return text + escapeText(typed.slice(position));
}

/** Slack's text for people: names instead of ids. `typedToSlack` turns it back. */
export function slackToPlain(workspace: Workspace, text: string): string {
  return unescapeText(
    text.replaceAll(ENTITY, (whole, sigil: string, target: string, label: string | undefined) => {
      if (sigil === '@') return `@${workspace.users.get(target)?.handle ?? label ?? target}`;
      if (sigil === '#') return `#${workspace.channels.get(target)?.name ?? label ?? target}`;
      if (sigil === '!') return `@${label ?? target}`;
      return label && label !== target ? `${label} (${target})` : target || whole;
    }),
  );
}

/** The `rich_text` block that Slack's client sends along with a typed text. */
export function richTextBlock(text: string, blockId: string): Readonly<Record<string, unknown>> {
  const elements: Record<string, unknown>[] = [];
  const addText = (part: string) => {
    if (part !== '') elements.push({ type: 'text', text: unescapeText(part) });
  };
  let position = 0;
  for (const match of text.matchAll(ENTITY)) {
    const [whole, sigil, target = '', label] = match;
    addText(text.slice(position, match.index));
    position = match.index + whole.length;
    if (sigil === '@') elements.push({ type: 'user', user_id: target });
    else if (sigil === '#') elements.push({ type: 'channel', channel_id: target });
    else if (sigil === '!') elements.push({ type: 'broadcast', range: target });
    else
      elements.push({
        type: 'link',
        url: unescapeText(target),
        ...(label ? { text: unescapeText(label) } : {}),
      });
  }
  addText(text.slice(position));
  return { type: 'rich_text', block_id: blockId, elements: [{ type: 'rich_text_section', elements }] };
}

/** The fallback text that Slack makes of `markdown_text`; close enough for reading a thread, no markdown parser. */
export function markdownToText(markdown: string): string {
  return escapeText(markdown)
    .replaceAll(/^#{1,6}\s+(.+)$/gm, '*$1*')
    .replaceAll(/\*\*(.+?)\*\*/g, '*$1*')
    .replaceAll(/\[([^\]]+)\]\((https?:\/\/[^)\s]+)\)/g, '<$2|$1>');
}
