import type { Random } from '../../src/core/clock.ts';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import type { Said } from '../support/check-promises.ts';
import type { ChaosInstallation } from './start-chaos-installation.ts';

/** People who write all the time. */
export interface Talk {
  /** Says the next thing, sometimes several at once; or changes, takes back or stops what was said. */
  next(): Promise<void>;
  /** Resolves when Slack has given up or got its ack for everything. */
  said(): Promise<readonly Said[]>;
  readonly count: number;
}

export function createTalk({ simulator, workspaces }: ChaosInstallation, random: Random): Talk {
  const sent: {
    readonly message: SentMessage;
    readonly token: string;
    readonly asked: boolean;
    readonly text: string;
    deleted: boolean;
  }[] = [];
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const channelsOf = (kind: 'public' | 'im') =>
    workspaces.flatMap(({ channels }) => channels.filter((channel) => channel.kind === kind));
  const channels = channelsOf('public');
  const directs = channelsOf('im');
  const roots: SentMessage[] = [];
  let said = 0;

  async function say(channelId: string, asked: boolean, threadTs?: string): Promise<SentMessage> {
    said += 1;
    const token = `q${said}`;
    const workspace = workspaces.find((each) => each.channels.some(({ id }) => id === channelId));
    if (workspace === undefined) throw new Error(`No workspace has the channel ${channelId}.`);
    const channel = workspace.channels.find(({ id }) => id === channelId);
    const userId = pick((channel?.memberIds ?? []).filter((id) => id !== workspace.botUserId));
    const isDirect = channel?.kind === 'im';
    const text = `${asked && !isDirect ? `<@${workspace.botUserId}> ` : ''}what about ${token}`;
    const message = await simulator.say({
      workspaceId: workspace.id,
      channelId,
      userId,
      text,
      ...(threadTs === undefined ? {} : { threadTs }),
    });
    sent.push({ message, token, asked, text, deleted: false });
    return message;
  }

  const rootOf = () => pick(roots.slice(-12));

  /** Of what was said last, because that is what is being answered. */
  async function changeOne(): Promise<void> {
    const recent = sent.slice(-6).filter(({ deleted }) => !deleted);
    if (recent.length === 0) return;
    const one = pick(recent);
    const people = workspaces.find(({ id }) => id === one.message.workspaceId)?.users ?? [];
    const kind = random();
    if (kind < 0.45) {
      await simulator.edit(one.message, `${one.text}, said better: ${one.token}`);
    } else if (kind < 0.7) {
      one.deleted = true;
      await simulator.deleteMessage(one.message);
    } else if (kind < 0.85) {
      const userId = pick(people).id;
      await simulator.react(one.message, { userId, name: 'octagonal_sign', present: true });
    } else {
      const { workspaceId, channelId, ts, threadTs } = one.message;
      const userId = pick(people).id;
      await simulator.say({ workspaceId, channelId, userId, text: 'stop', threadTs: threadTs ?? ts });
    }
  }

  return {
    get count() {
      return sent.length;
    },
    async next() {
      if (random() < 0.25) await changeOne();
      const kind = random();
      if (kind < 0.5 || roots.length === 0) roots.push(await say(pick(channels).id, true));
      else if (kind < 0.65) await say(pick(directs).id, true);
      else if (kind < 0.85) {
        const root = rootOf();
        await say(root.channelId, random() < 0.5, root.ts);
      } else {
        const root = rootOf();
        for (let index = 0; index < 4; index += 1) await say(root.channelId, true, root.ts);
      }
    },
    said: () =>
      Promise.all(
        sent.map(async ({ message, token, asked, deleted }) => ({
          workspaceId: message.workspaceId,
          channelId: message.channelId,
          ts: message.ts,
          token,
          acked: await message.acked,
          asked,
          deleted,
        })),
      ),
  };
}
