// What ical.js makes of feeds. Reads {name: iCalendar text} from standard input and writes JSON.
//   node read.mjs                 {name: entries as they are written}
//   node read.mjs FROM UNTIL      {name: all occurrences that start from one instant to another, as milliseconds of UTC}
import { readFileSync } from 'node:fs';
import ICAL from 'ical.js';

const MOST = 100_000; // occurrences of one entry that are looked at

// A day as a day, anything else as an instant: toJSDate goes by the zone that the calendar itself defines.
const moment = (time) => (time.isDate ? time.toString() : time.toJSDate().toISOString());

const entry = (item, starts, ends) => ({
  uid: item.uid,
  title: item.summary,
  starts: moment(starts),
  ends: moment(ends),
  status: item.component.getFirstPropertyValue('status'),
  place: item.location ?? '',
  text: item.description ?? '',
});

const events = (text) => {
  const calendar = new ICAL.Component(ICAL.parse(text));
  if (calendar.name !== 'vcalendar') throw new Error(`this is a ${calendar.name}`);
  const all = calendar.getAllSubcomponents('vevent');
  const uid = (each) => each.getFirstPropertyValue('uid');
  // Of themselves events take what is different about another one at the same time for their own.
  const alone = all.filter((each) => each.hasProperty('recurrence-id'));
  return all.map((each) => new ICAL.Event(each, {
    exceptions: each.hasProperty('recurrence-id') ? [] : alone.filter((other) => uid(other) === uid(each)),
  }));
};

const entries = (text) => events(text).map((each) => entry(each, each.startDate, each.endDate));

const occurrences = (text, from, until) => {
  const found = [];
  for (const event of events(text)) {
    if (event.isRecurrenceException()) continue; // the main entry knows it
    if (!event.isRecurring()) {
      found.push([event.startDate, entry(event, event.startDate, event.endDate)]);
      continue;
    }
    const walk = event.iterator();
    for (let next = walk.next(), count = 0; next && next.toJSDate().getTime() < until; next = walk.next()) {
      if (++count > MOST) throw new Error(`${event.uid} never ends`);
      const { item, startDate, endDate } = event.getOccurrenceDetails(next);
      found.push([startDate, entry(item, startDate, endDate)]);
    }
  }
  const inside = ([start]) => from <= start.toJSDate().getTime() && start.toJSDate().getTime() < until;
  return found.filter(inside).map(([, shown]) => shown);
};

const [from, until] = process.argv.slice(2).map(Number);
const read = from === undefined ? entries : (text) => occurrences(text, from, until);
const feeds = Object.entries(JSON.parse(readFileSync(0, 'utf-8')));
process.stdout.write(JSON.stringify(Object.fromEntries(feeds.map(([name, text]) => [name, read(text)]))));
