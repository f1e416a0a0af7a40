// Tells a brand what visitors of its shop do, once they have agreed to it: runbooks/tracker.md.
//
//     <script async src="https://…/b/acme/constintel-tracker.js" data-key="ci_pub_acme_…"></script>
//
// Before consent nothing is stored and nothing is sent. What is recorded afterwards stays in localStorage
// until the server has it. Every event has an id and counts once, so whatever is in doubt is sent again.
// Nothing that fails here reaches the page.
(() => {
    'use strict';

    const SECOND = 1000, DAY = 86400 * SECOND;
    const BATCH_EVENTS = 20;
    // Of UTF-16: browsers take 64 KiB of UTF-8 that outlives its page.
    const BATCH_LENGTH = 20000;
    const BATCH_WAIT = 2 * SECOND;
    const EVENT_LENGTH = 16000;
    // The server takes what happened within 7 days.
    const HELD_CALLS = 100;
    const QUEUE_EVENTS = 300;
    const QUEUE_LENGTH = 500000;
    const QUEUE_AGE = 7 * DAY - 3600 * SECOND;
    const ANSWER_WAIT = 30 * SECOND;
    const FIRST_PAUSE = SECOND, LONGEST_PAUSE = 300 * SECOND, LONGEST_RETRY_AFTER = DAY;
    const COOKIE_SECONDS = 365 * 86400;
    // Routers change the address before the title.
    const TITLE_WAIT = 50;

    if (window.constintel && window.constintel.isTracker) return;
    const script = document.currentScript || document.querySelector('script[data-key^="ci_pub_"]');
    const options = script ? script.dataset : {};
    const key = options.key || '';
    const brand = key.split('_')[2];
    const url = (options.endpoint || (script ? script.src.split('?')[0].replace(/\/[^/]*$/, '') : ''))
        .replace(/\/$/, '') + '/api/events/batch';
    // Several brands may share a site: each has names of its own.
    const COOKIE = 'ci_cookie_' + brand;
    const PREFIX = 'constintel.' + brand + '.';
    const DEVICE = PREFIX + 'device', PAUSE = PREFIX + 'pause', EVENT = PREFIX + 'event.';

    const say = 'debug' in options ? (...words) => console.log('constintel:', ...words) : () => {};
    const quietly = work => (...values) => {
        try { return work(...values); } catch (error) { say('failed:', error); }
    };

    // Without TLS there is no randomUUID.
    const uuid = () => crypto.randomUUID ? crypto.randomUUID() : Array.from(
        crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');

    // Storage: localStorage, or for this page alone where there is none.

    const unstored = new Map();

    function read(name) {
        const value = quietly(() => localStorage.getItem(name))();
        return value == null ? unstored.get(name) : value;
    }

    function write(name, value) {
        try { localStorage.setItem(name, value); } catch (error) { unstored.set(name, value); }
    }

    function erase(name) {
        unstored.delete(name);
        quietly(() => localStorage.removeItem(name))();
    }

    // That the cookie is there is the visitor's consent, on all hosts of the site and in all tabs.

    function cookie() {
        const found = quietly(() => document.cookie)();
        return ((found || '').split('; ').find(pair => pair.startsWith(COOKIE + '=')) || '').split('=')[1];
    }

    // From the widest domain to the host itself: browsers refuse those that belong to nobody, such as co.uk.
    const setCookie = quietly((value, seconds) => {
        const attributes = '; Path=/; SameSite=Lax; Max-Age=' + seconds
            + (location.protocol === 'https:' ? '; Secure' : '');
        const labels = location.hostname.split('.');
        for (let first = labels.length - 1; first >= 0; first--) {
            document.cookie = COOKIE + '=' + value + '; Domain=' + labels.slice(first).join('.') + attributes;
            if (seconds && cookie() === value) return;
        }
        document.cookie = COOKIE + '=' + value + attributes;
    });

    // Both go with every event, so that either finds the visitor whom the other has lost: an event is placed
    // on the owner of the first that has one, else on the device. A new device takes the cookie's value, as
    // each host of a site has a localStorage of its own; the cookie never takes the device's: who deletes it
    // wants to be new.
    function identifiers() {
        const ids = {};
        if (cookie()) ids.cookie_id = cookie();
        if (!read(DEVICE)) write(DEVICE, ids.cookie_id || uuid());
        // One that goes with the page would make a profile for each page.
        if (!unstored.has(DEVICE) || !ids.cookie_id) ids.device_id = read(DEVICE);
        return ids;
    }

    // Consent: undefined until it is known. Until then calls are held in memory.

    let consent, isCookieKept;
    let held = [];

    function mayRecord() {
        // Another tab or host has asked the visitor.
        if (consent === undefined && cookie()) grant();
        if (consent && isCookieKept && !cookie()) withdraw();
        return consent;
    }

    function grant() {
        if (!cookie()) setCookie(uuid(), COOKIE_SECONDS);
        consent = true;
        isCookieKept = !!cookie();
        held.splice(0).forEach(enqueue);
        arm(BATCH_WAIT);
    }

    function withdraw() {
        consent = false;
        held = [];
        setCookie('', 0);
        waiting().concat(DEVICE, PAUSE).forEach(erase);
        say('no consent: nothing is stored, nothing is sent');
    }

    // Recording.

    function record(type, properties, ids) {
        // A copy: the page may change its own. Money has at most 4 decimals, and a sum of numbers has more.
        const copy = JSON.parse(JSON.stringify(properties || {}, (name, value) =>
            /^(price|value)$/.test(name) && typeof value === 'number' ? +value.toFixed(4) : value));
        const event = {
            eventId: uuid(), type, occurredAt: new Date().toISOString(), channel: 'web', identifiers: ids,
            properties: copy,
        };
        if (mayRecord()) enqueue(event);
        else if (consent === undefined && held.length < HELD_CALLS) {
            held.push(event);
            say('held until there is consent:', type);
        } else say('not recorded, without consent:', type);
    }

    function enqueue(event) {
        event.identifiers = Object.assign(identifiers(), event.identifiers);
        const text = JSON.stringify(event);
        if (text.length > EVENT_LENGTH) return say('not recorded, since it is too large:', event);
        // An entry for each, named by its time: tabs that write at once do not overwrite each other.
        write(EVENT + Date.now() + '.' + event.eventId, text);
        say('recorded', event.type, event);
        arm(waiting().length < BATCH_EVENTS ? BATCH_WAIT : 0);
    }

    // The names of the events that wait, the oldest first, less those that are too old or too many.
    function waiting() {
        const names = [...unstored.keys()].concat(quietly(() => Object.keys(localStorage))() || [])
            .filter(name => name.startsWith(EVENT)).sort().reverse();
        let length = 0;
        return names.filter((name, index) => {
            length += (read(name) || '').length;
            const isKept = index < QUEUE_EVENTS && length <= QUEUE_LENGTH
                && name.split('.')[3] > Date.now() - QUEUE_AGE;
            if (!isKept) erase(name);
            return isKept;
        }).reverse();
    }

    // Sending.

    // The names of events that are under way, by a request or a beacon.
    const departed = new Set();
    let isSending = false, failures = 0, pausedUntil = 0, timer, timerEnd;

    function arm(delay) {
        const end = Date.now() + delay;
        if (timer && timerEnd <= end) return;
        clearTimeout(timer);
        timerEnd = end;
        timer = setTimeout(() => {
            timer = 0;
            quietly(send)();
        }, delay);
    }

    // The next events, and the body that they make.
    function batch() {
        const names = [], texts = [];
        let length = 0;
        for (const name of waiting()) {
            const text = read(name);
            if (!text || departed.has(name)) continue;
            length += text.length;
            if (names.length === BATCH_EVENTS || names.length && length > BATCH_LENGTH) break;
            names.push(name);
            texts.push(text);
        }
        // What the clock shows, so that one that is wrong is corrected.
        return {names, body: `{"sentAt":"${new Date().toISOString()}","events":[${texts.join(',')}]}`};
    }

    // How long the server wants to be left alone, by all tabs and pages of the site.
    function serverPause() {
        const pause = read(PAUSE) - Date.now();
        return pause > 0 && pause <= LONGEST_RETRY_AFTER ? pause : 0;
    }

    function send() {
        if (isSending || !mayRecord() || navigator.onLine === false) return;
        const pause = Math.max(serverPause(), pausedUntil - Date.now());
        if (pause > 0) return arm(pause);
        if (!batch().names.length) return;
        isSending = true;
        // One tab at a time, where the browser has locks. Elsewhere two may send the same, which is harmless.
        const locked = navigator.locks && navigator.locks.request(
            PREFIX + 'send', {ifAvailable: true}, lock => lock && post());
        (locked ? locked.catch(post) : post()).then(() => {
            isSending = false;
            if (batch().names.length) arm(BATCH_WAIT / 10);
        });
    }

    // Sends one batch; resolves in any case.
    async function post() {
        const {names, body} = batch();
        if (!names.length) return;
        names.forEach(name => departed.add(name));
        try {
            const answer = await fetch(url, {
                method: 'POST', body, keepalive: true, credentials: 'omit',
                headers: {'Authorization': 'Bearer ' + key, 'Content-Type': 'application/json'},
                signal: AbortSignal.timeout ? AbortSignal.timeout(ANSWER_WAIT) : undefined,
            });
            if (answer.status === 429 || answer.status === 408 || answer.status >= 500) {
                rest(answer.headers.get('Retry-After'), answer.status);
            } else {
                // Taken, or never to be.
                names.forEach(erase);
                failures = 0;
                if ('debug' in options) say(answer.ok ? 'sent:' : 'refused:', await answer.text());
            }
        } catch (error) {
            rest(null, error);
        }
        names.forEach(name => departed.delete(name));
    }

    // Pauses double; one that the server asks for (seconds or a date) is kept to.
    function rest(retryAfter, why) {
        if (!consent) return;
        const longest = Math.min(FIRST_PAUSE * 2 ** failures++, LONGEST_PAUSE);
        const pause = longest * (0.5 + Math.random() / 2);
        pausedUntil = Date.now() + pause;
        const asked = isNaN(retryAfter) ? Date.parse(retryAfter) - Date.now() : retryAfter * SECOND;
        if (asked > 0) write(PAUSE, Date.now() + Math.min(Math.max(asked, pause), LONGEST_RETRY_AFTER));
        say('to be sent again:', why);
    }

    // A hidden page may never be seen again. Nobody learns what becomes of a beacon, so that its events are
    // sent again by this page when it comes back, or by the next one.
    function leave() {
        if (navigation) recordNavigation();
        if (!mayRecord() || serverPause() || navigator.onLine === false) return;
        for (;;) {
            const {names, body} = batch();
            if (!names.length || !navigator.sendBeacon(url + '?key=' + key, body)) return;
            names.forEach(name => departed.add(name));
        }
    }

    function comeBack() {
        departed.clear();
        if (mayRecord()) arm(BATCH_WAIT);
    }

    // Pages.

    let address, referrer = document.referrer, navigation;
    // Without the fragment: it may hold a token.
    const currentAddress = () => location.href.split('#')[0];

    function page(properties) {
        const seen = {
            url: currentAddress().slice(0, 2048), path: location.pathname.slice(0, 2048),
            title: document.title.slice(0, 512), referrer: referrer.slice(0, 2048) || undefined,
        };
        new URLSearchParams(location.search).forEach((value, name) => {
            if (/^utm_(source|medium|campaign|term|content|id)$/.test(name)) seen[name] = value.slice(0, 256);
        });
        address = referrer = currentAddress();
        record('page_view', Object.assign(seen, properties));
    }

    function navigated() {
        if (!address || currentAddress() === address) return;
        address = currentAddress();
        clearTimeout(navigation);
        navigation = setTimeout(quietly(recordNavigation), TITLE_WAIT);
    }

    function recordNavigation() {
        clearTimeout(navigation);
        navigation = 0;
        page();
    }

    function watchPages() {
        for (const name of ['pushState', 'replaceState']) {
            const original = history[name];
            history[name] = function () {
                const result = original.apply(this, arguments);
                quietly(navigated)();
                return result;
            };
        }
        addEventListener('popstate', quietly(navigated));
        // A page that the back button brings back.
        addEventListener('pageshow', quietly(event => {
            if (!event.persisted) return;
            referrer = document.referrer;
            page();
        }));
        if (document.readyState === 'loading' && !document.title) {
            document.addEventListener('DOMContentLoaded', quietly(() => page()), {once: true});
        } else page();
    }

    // What a page may call.

    const commands = {
        consent(choice) {
            if (choice.analytics === true) grant();
            else if (choice.analytics === false) withdraw();
            else say('consent is {analytics: true} or {analytics: false}');
        },
        identify(sent, properties) {
            const ids = {};
            for (const kind in sent) {
                const value = sent[kind] == null ? '' : String(sent[kind]).trim();
                if (value) ids[kind] = value;
            }
            if (Object.keys(ids).length) record('identify', properties, ids);
            else say('identify needs an email, a phone, a loyalty_id or a upi_id');
        },
        page,
        product: properties => record('product_view', properties),
        search: properties => record('search', properties),
        cart(change, properties) {
            const type = {add: 'cart_add', abandon: 'cart_abandoned'}[change];
            if (type) record(type, properties);
            else say("cart is 'add' or 'abandon'");
        },
        wishlist: properties => record('wishlist_add', properties),
        signOut: () => record('sign_out'),
        // Another visitor from now on. The consent stays.
        reset() {
            erase(DEVICE);
            if (mayRecord()) setCookie(uuid(), COOKIE_SECONDS);
        },
        flush: () => arm(0),
    };

    const call = quietly((name, ...values) => {
        if (Object.prototype.hasOwnProperty.call(commands, name)) commands[name](...values);
        else say("there is no '" + name + "'; there are " + Object.keys(commands).join(', '));
    });

    const start = quietly(() => {
        const early = (window.constintel && window.constintel.q) || [];
        window.constintel = function () { call(...arguments); };
        window.constintel.isTracker = true;
        // For pages that have kept the stub.
        window.constintel.q = {push: values => call(...values)};
        if (!/^ci_pub_[a-z0-9-]+_\w+$/.test(key)) return say('data-key is not a browser key (ci_pub_…)');
        // Global Privacy Control is a refusal, unless this visitor has agreed: data-consent says so of all.
        const isOptedOut = navigator.globalPrivacyControl === true;
        if (options.consent === 'granted' && !isOptedOut) grant();
        else if (options.consent === 'granted') withdraw();
        else if (!mayRecord() && isOptedOut) consent = false;
        addEventListener('online', quietly(() => {
            failures = pausedUntil = 0;
            send();
        }));
        addEventListener('pagehide', quietly(leave));
        document.addEventListener('visibilitychange', quietly(() =>
            document.visibilityState === 'hidden' ? leave() : comeBack()));
        if (options.pageViews !== 'off') quietly(watchPages)();
        Array.from(early).forEach(values => call(...values));
    });

    // A page that is loaded in advance is perhaps never seen.
    if (document.prerendering) document.addEventListener('prerenderingchange', start, {once: true});
    else start();
})();
