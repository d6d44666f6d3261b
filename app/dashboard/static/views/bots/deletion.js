/** @file Deleting a bot. */

import { remove } from "../../kit/api.js";
import { counted } from "../../kit/format.js";
import { html } from "../../kit/html.js";
import { go } from "../../kit/router.js";
import { Confirm } from "../../parts/dialog.js";
import { done } from "../../parts/notice.js";

/**
 * @param {import("../bot.js").OfBot & { deleting: { current: boolean }, onClose: () => void }} props
 *   `deleting`: set while nothing may be read of the bot
 */
export function DeleteBot({ bot, reload, deleting, onClose }) {
  const erase = async () => {
    // The event of the deletion may arrive before its response.
    deleting.current = true;
    try {
      await remove(`/v1/bots/${bot.id}`);
    } catch (error) {
      deleting.current = false;
      void reload();
      throw error;
    }
    done(`The bot “${bot.name}” was deleted.`);
    go("/bots");
  };
  return html`<${Confirm} title="Delete bot" action="Delete bot" danger onConfirm=${erase} onClose=${onClose}>
    <p>This deletes the bot <strong dir="auto">${bot.name}</strong> for good.</p>
    <ul>
      <li>Its token stops working at once.</li>
      <li>${bot.key ? html`The key <span dir="auto">${bot.key.label}</span> is unassigned and kept.` : "It has no key to unassign."}</li>
      <li>Its trading data are kept: trades, positions, equity snapshots, signals and bot events.</li>
    </ul>
    ${bot.open_positions > 0 && html`<p class="warning">The bot has ${counted(bot.open_positions, "open position")}, which only it can
      manage. The service refuses to delete it until they are closed.</p>`}
    ${bot.open_orders > 0 && html`<p class="warning">The bot has ${counted(bot.open_orders, "order")} at the exchange. The service refuses
      to delete it until they are cancelled.</p>`}
  <//>`;
}
