import { describe, expect, it } from 'vitest';
import { normaliseText } from './text.ts';

describe('normaliseText', () => {
  it.each([
    ['plain words', 'plain words'],
    ['R&amp;D: 1 &lt; 2 &gt; 0', 'R&D: 1 < 2 > 0'],
    ['&amp;lt; stays escaped once', '&lt; stays escaped once'],
    ['&nbsp; &copy; are not Slack’s', '&nbsp; &copy; are not Slack’s'],
    ['<@U0PERSON01> hi', '@U0PERSON01 hi'],
    ['<@W0PERSON01|grace> hi', '@W0PERSON01 hi'],
    ['see <#C0GENERAL1|general>', 'see #general'],
    ['see <#C0GENERAL1>', 'see #C0GENERAL1'],
    ['see <#C0GENERAL1|>', 'see #C0GENERAL1'],
    ['<!here> <!channel> <!everyone>', '@here @channel @everyone'],
    ['<!here|here> <!channel|@channel>', '@here @channel'],
    ['<!subteam^S0DEVS0001|@devs>', '@devs'],
    ['<!subteam^S0DEVS0001>', '@S0DEVS0001'],
    ['due <!date^1392734382^{date_short}^https://acme.example/|Feb 18, 2014>', 'due Feb 18, 2014'],
    ['<https://acme.example/?a=1&amp;b=2>', 'https://acme.example/?a=1&b=2'],
    ['<https://acme.example/|the site>', 'the site (https://acme.example/)'],
    ['<http://acme.example|acme.example>', 'http://acme.example'],
    ['<https://acme.example/|https://acme.example/>', 'https://acme.example/'],
    ['<mailto:ada@acme.example|ada@acme.example>', 'ada@acme.example'],
    ['<mailto:ada@acme.example|Ada>', 'Ada (ada@acme.example)'],
    ['<tel:+4312345|+43 1 2345>', '+43 1 2345 (+4312345)'],
    ['a < b', 'a < b'],
    ['a > b', 'a > b'],
    ['a <> b', 'a <> b'],
    ['<<@U0PERSON01>>', '<@U0PERSON01>'],
    ['<@not a user>', '<@not a user>'],
    ['<@U0PERSON01', '<@U0PERSON01'],
    ['*bold* _it_ `code`', '*bold* _it_ `code`'],
  ])('reads %s', (markup, text) => {
    expect(normaliseText(markup).text).toBe(text);
  });

  it('lists each user once, in order, with the label if there is one anywhere', () => {
    expect(normaliseText('<@U0B> <@U0A> <@U0B|bob &amp; co> <@U0B>').mentions).toEqual([
      { externalId: 'U0B', name: 'bob & co' },
      { externalId: 'U0A', name: null },
    ]);
  });

  it.each([
    ['<@U0ADABOT01> hello', 'U0ADABOT01'],
    ['  \n <@U0ADABOT01> hello', 'U0ADABOT01'],
    ['¡(*<@U0ADABOT01>* hello', 'U0ADABOT01'],
    ['<@U0ADABOT01> and <@U0OTHER001>', 'U0ADABOT01'],
    ['hello <@U0ADABOT01>', null],
    ['7 <@U0ADABOT01>', null],
    ['<!here> <@U0ADABOT01>', null],
    [`${'!'.repeat(100)}<@U0ADABOT01>`, null],
    ['nobody', null],
  ])('finds whom “%s” addresses', (markup, addressee) => {
    expect(normaliseText(markup).addressee).toBe(addressee);
  });

  it.each([
    ['<'],
    ['>'],
    ['<>'],
    ['<@'],
    ['<@U0A>'],
    ['<a|'],
    ['&amp;'],
    ['&'],
    ['<!date^'],
    [' '],
    ['!<@U0A'],
    ['<@U0A>>'],
  ])('reads a megabyte of “%s” in linear time', (piece) => {
    const markup = piece.repeat(Math.ceil((1024 * 1024) / piece.length));
    const startedAt = performance.now();
    normaliseText(markup);
    // Quadratic work would take minutes; the rest is room for a busy machine.
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });
});
