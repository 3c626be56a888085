import { startCompanyChatHarness } from './company-chat-harness.ts';
import { startDiscordHarness } from './discord-harness.ts';
import { startGoogleChatHarness } from './google-chat-harness.ts';
import { startMattermostHarness } from './mattermost-harness.ts';
import { startSlackHarness } from './slack-harness.ts';
import { startTeamsHarness } from './teams-harness.ts';
import { startTelegramHarness } from './telegram-harness.ts';
import { startWhatsAppHarness } from './whatsapp-harness.ts';
import { startWidgetHarness } from './widget-harness.ts';

/** Every channel that there is, and the one of the example. */
export const harnesses = [
  ['slack', startSlackHarness],
  ['teams', startTeamsHarness],
  ['google-chat', startGoogleChatHarness],
  ['mattermost', startMattermostHarness],
  ['telegram', startTelegramHarness],
  ['whatsapp', startWhatsAppHarness],
  ['discord', startDiscordHarness],
  ['widget', startWidgetHarness],
  ['company-chat', startCompanyChatHarness],
] as const;
