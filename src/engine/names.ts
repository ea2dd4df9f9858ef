import { randomInt } from "node:crypto";

const MOODS =
  "able amber ample bold brave breezy brisk bright bubbly calm candid cheery clever cosmic cosy crisp curious daring dapper deft eager earnest easy fair fearless festive frank fresh gallant gentle glad golden graceful grand happy hardy hearty honest humble hungry jolly jovial keen kind lively loyal lucid lucky mellow merry mighty modest neat nimble noble patient peppy placid plucky polite proud quick quiet radiant rapid ready restful robust rosy sage serene shiny silent sleek smart snug sober spry steady sturdy sunny swift tidy trusty upbeat vivid warm wise witty zesty".split(
    " ",
  );
const SAILORS =
  "amundsen anning bering blackwood bligh bougainville cabot cabral carson cartier cavendish chichester columbus conrad cook cousteau darwin davis dias drake earle elcano erikson fitzroy flinders franklin frobisher gama greely hanno harvey hawkins heyerdahl hudson joshua knox laperouse lovelock magellan maury melville mercator moitessier nansen nelson nordenskiold orellana parry peary piccard polo pytheas raleigh rediker ross scott shackleton slocum tasman tharp torres tristan vancouver vespucci weddell wegener worsley zheng".split(
    " ",
  );
const TRIES = 100;

/** A free name in the manner of `hungry_carson`; with a number where the plain ones are taken. */
export function generateName(taken: (name: string) => boolean): string {
  for (let i = 0; ; i++) {
    const plain = `${MOODS[randomInt(MOODS.length)]}_${SAILORS[randomInt(SAILORS.length)]}`;
    const name = i < TRIES ? plain : `${plain}${randomInt(i)}`;
    if (!taken(name)) return name;
  }
}
