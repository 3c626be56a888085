import type { WireBody } from './wire-body.ts';

const common = {
  channelId: 'msteams',
  serviceUrl: 'https://smba.trafficmanager.net/emea/',
  timestamp: '2026-03-05T10:00:00.123Z',
  from: { id: '29:mara', name: 'Mara', aadObjectId: '33333333-3333-4333-8333-333333333333', role: 'user' },
  recipient: { id: '28:11111111-1111-4111-8111-111111111111', name: 'Ada' },
  conversation: {
    id: '19:acme@thread.tacv2;messageid=1700000000000',
    conversationType: 'channel',
    isGroup: true,
    tenantId: 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa',
  },
  channelData: {
    tenant: { id: 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa' },
    team: { id: '19:team@thread.tacv2' },
    channel: { id: '19:acme@thread.tacv2' },
  },
  locale: 'en-GB',
};
const file = {
  contentType: 'application/vnd.microsoft.teams.file.download.info',
  name: 'plan.pdf',
  contentUrl: 'https://acme.sharepoint.com/plan.pdf',
  content: { downloadUrl: 'https://acme.sharepoint.com/d', fileType: 'pdf' },
};
const message = {
  ...common,
  type: 'message',
  id: '1700000000001',
  replyToId: '1700000000000',
  text: '<at>Ada</at> hello &amp; <quoted id="1"></quoted> &#128077;',
  textFormat: 'plain',
  entities: [
    { type: 'mention', text: '<at>Ada</at>', mentioned: { id: '28:1111', name: 'Ada' } },
    { type: 'quotedReply', quotedReply: { senderName: 'Tom', preview: 'before' } },
  ],
  attachments: [
    file,
    { contentType: 'image/*', contentUrl: 'https://smba.trafficmanager.net/v3/attachments/1/views/original' },
    { contentType: 'audio/mp4; codecs=aac', contentUrl: 'https://smba.trafficmanager.net/clip' },
    { contentType: 'reference', name: 'b.docx', contentUrl: 'https://acme.sharepoint.com/b.docx' },
    {
      contentType: 'messageReference',
      content: '{"messageId":"1","messagePreview":"p","messageSender":{"user":{"displayName":"Tom"}}}',
    },
    {
      contentType: 'forwardedMessageReference',
      content: {
        originalMessageContent: '<p>passed on</p>',
        originalMessageSender: { user: { displayName: 'Bo' } },
      },
    },
    {
      contentType: 'application/vnd.microsoft.card.adaptive',
      content: {
        type: 'AdaptiveCard',
        body: [{ type: 'Container', items: [{ type: 'TextBlock', text: 'on a card' }] }],
        columns: [{ items: [{ facts: [{ title: 't', value: 'v' }] }] }],
      },
    },
    {
      contentType: 'text/html',
      content:
        '<blockquote itemscope itemtype="http://schema.skype.com/Reply" itemid="1"><strong itemprop="mri" itemid="29:x">Tom</strong><p itemprop="preview">p</p></blockquote><p>hello</p>',
    },
  ],
};

export const teamsBodies: readonly WireBody[] = [
  { kind: 'message', sample: message },
  { kind: 'HTML alone', sample: { ...message, text: '', entities: [] } },
  {
    kind: 'press',
    sample: {
      ...common,
      type: 'message',
      id: '1700000000002',
      replyToId: '1700000000001',
      text: 'Yes',
      value: { mark: 'konstruct-choice', choice: 'Yes' },
    },
  },
  { kind: 'edit', sample: { ...message, type: 'messageUpdate', channelData: { eventType: 'editMessage' } } },
  { kind: 'deletion', sample: { ...common, type: 'messageDelete', id: '1700000000001' } },
  {
    kind: 'reaction',
    sample: {
      ...common,
      type: 'messageReaction',
      id: '1700000000003',
      replyToId: '1700000000001',
      reactionsAdded: [{ type: 'like' }, { type: '1f6d1_octagonalsign' }],
      reactionsRemoved: [{ type: 'heart' }],
    },
  },
  {
    kind: 'members',
    sample: {
      ...common,
      type: 'conversationUpdate',
      id: 'f:1',
      membersRemoved: [{ id: '28:11111111-1111-4111-8111-111111111111' }],
    },
  },
  {
    kind: 'deleted channel',
    sample: {
      ...common,
      type: 'conversationUpdate',
      id: 'f:2',
      channelData: { ...common.channelData, eventType: 'channelDeleted' },
    },
  },
  { kind: 'uninstalled', sample: { ...common, type: 'installationUpdate', id: 'f:3', action: 'remove' } },
];
