/**
 * Slack and Mattermost name emoji, and the same. Those that people and agents use to say something with; what a workspace
 * has added has no Unicode.
 *
 * Source: https://github.com/iamcal/emoji-data, the data behind both
 */
const names: Readonly<Record<string, string>> = {
  '👍': '+1',
  '👎': '-1',
  '❤': 'heart',
  '👏': 'clap',
  '🎉': 'tada',
  '👀': 'eyes',
  '🙏': 'pray',
  '💯': '100',
  '🤔': 'thinking_face',
  '✅': 'white_check_mark',
  '☑': 'ballot_box_with_check',
  '✔': 'heavy_check_mark',
  '❌': 'x',
  '⚠': 'warning',
  '❓': 'question',
  '❗': 'exclamation',
  '🛑': 'octagonal_sign',
  '⛔': 'no_entry',
  '🔇': 'mute',
  '⏳': 'hourglass_flowing_sand',
  '⌛': 'hourglass',
  '🔁': 'repeat',
  '🚀': 'rocket',
  '🔥': 'fire',
  '💡': 'bulb',
  '📌': 'pushpin',
  '📎': 'paperclip',
  '📝': 'memo',
  '🐛': 'bug',
  '👋': 'wave',
  '🙌': 'raised_hands',
  '💪': 'muscle',
  '😀': 'grinning',
  '😄': 'smile',
  '😂': 'joy',
  '😅': 'sweat_smile',
  '😉': 'wink',
  '😊': 'blush',
  '😍': 'heart_eyes',
  '😎': 'sunglasses',
  '😕': 'confused',
  '😢': 'cry',
  '😮': 'open_mouth',
  '🤖': 'robot_face',
  '⭐': 'star',
  '🟢': 'large_green_circle',
  '🔴': 'red_circle',
};

/** The name of an emoji; `null`: it is none that is known here. */
export function emojiName(emoji: string): string | null {
  // How it is to be drawn, and in which skin, is not part of the name.
  return names[emoji.replaceAll(/\ufe0f|[\u{1f3fb}-\u{1f3ff}]/gu, '')] ?? null;
}
