import type { WireBody } from './wire-body.ts';

const phoneNumberId = '106540352242922';
const profile = { name: 'Mara', username: 'mara' };

const change = (kind: string, value: object): WireBody => ({
  kind,
  sample: {
    object: 'whatsapp_business_account',
    entry: [
      {
        id: '102290129340398',
        changes: [
          {
            field: 'messages',
            value: {
              messaging_product: 'whatsapp',
              metadata: { display_phone_number: '+1 555-078-3881', phone_number_id: phoneNumberId },
              contacts: [{ profile, wa_id: '16505551234', user_id: 'US.13491208655302741918' }],
              ...value,
            },
          },
        ],
      },
    ],
  },
});
const message = (kind: string, content: object): WireBody =>
  change(kind, {
    messages: [
      {
        from: '16505551234',
        from_user_id: 'US.13491208655302741918',
        id: 'wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQz',
        timestamp: '1700000000',
        context: { id: 'wamid.before', from: '15550783881', forwarded: true },
        ...content,
      },
    ],
  });

export const whatsappBodies: readonly WireBody[] = [
  message('text', { type: 'text', text: { body: 'hello' } }),
  message('about a product', {
    type: 'text',
    text: { body: 'hello' },
    context: { referred_product: { catalog_id: 'c', product_retailer_id: 'p' } },
  }),
  message('from an advertisement', {
    type: 'text',
    text: { body: 'hello' },
    context: undefined,
    referral: {
      source_url: 'https://fb.me/1',
      source_type: 'ad',
      headline: 'H',
      body: 'B',
      welcome_message: { text: 'W' },
    },
  }),
  message('picture', {
    type: 'image',
    image: { id: '1', mime_type: 'image/jpeg', caption: 'c', sha256: 's' },
  }),
  message('voice', { type: 'audio', audio: { id: '1', mime_type: 'audio/ogg; codecs=opus', voice: true } }),
  message('document', {
    type: 'document',
    document: { id: '1', filename: 'a.pdf', mime_type: 'application/pdf' },
  }),
  message('place', {
    type: 'location',
    location: { latitude: 1.5, longitude: 2.5, name: 'Office', address: 'A', url: 'https://a.example' },
  }),
  message('contacts', {
    type: 'contacts',
    contacts: [
      {
        name: { formatted_name: 'Bo' },
        org: { company: 'Acme' },
        phones: [{ phone: '1', wa_id: '1' }],
        emails: [{ email: 'b@a.example' }],
      },
    ],
  }),
  message('order', {
    type: 'order',
    order: {
      catalog_id: 'c',
      text: 'please',
      product_items: [{ product_retailer_id: 'p', quantity: 2, item_price: 3.5, currency: 'EUR' }],
    },
  }),
  message('form', {
    type: 'interactive',
    interactive: {
      type: 'nfm_reply',
      nfm_reply: {
        name: 'flow',
        body: 'Sent',
        response_json: '{"flow_token":"t","values":{"a":"b","c":[1]}}',
      },
    },
  }),
  message('product', {
    type: 'interactive',
    interactive: { type: 'product', product: { catalog_id: 'c', product_retailer_id: 'p' } },
  }),
  message('press', {
    type: 'interactive',
    interactive: { type: 'button_reply', button_reply: { id: '0', title: 'Yes' } },
  }),
  message('row', {
    type: 'interactive',
    interactive: { type: 'list_reply', list_reply: { id: '0', title: 'Yes' } },
  }),
  message('quick reply', { type: 'button', button: { text: 'Yes', payload: 'p' } }),
  message('reaction', { type: 'reaction', reaction: { message_id: 'wamid.1', emoji: '👍🏽' } }),
  message('edit', {
    type: 'edit',
    edit: { original_message_id: 'wamid.1', message: { type: 'text', text: { body: 'better' } } },
  }),
  message('revoke', { type: 'revoke', revoke: { original_message_id: 'wamid.1' } }),
  message('unsupported', {
    type: 'unsupported',
    unsupported: { type: 'poll_creation' },
    errors: [{ code: 131051, title: 'Unsupported' }],
  }),
  message('system', { type: 'system', system: { type: 'user_changed_number', body: 'b', wa_id: '1' } }),
  change('sent', {
    statuses: [
      {
        id: 'wamid.1',
        status: 'sent',
        timestamp: '1700000000',
        recipient_id: '16505551234',
        recipient_user_id: 'US.1349',
        recipient_type: 'individual',
        biz_opaque_callback_data: 'konstruct:7',
      },
    ],
  }),
  change('failed', {
    statuses: [
      {
        id: 'wamid.1',
        status: 'failed',
        timestamp: '1700000000',
        recipient_id: '16505551234',
        errors: [{ code: 131047, error_subcode: 33, title: 'Re-engagement', error_data: { details: 'd' } }],
      },
    ],
  }),
  change('error', { errors: [{ code: 130429, title: 'Limit' }] }),
];
