// Memory that the engine holds on to, and when it lets go.
#pragma once

namespace prunenet {

/// Activations come and go with every layer. Left to itself, malloc gives large ones back to the system each time, and
/// a third of the time beside the products would go into new pages: from here on it keeps them.
void keep_memory();

/// Gives the free pages that are kept back to the system: at the end of a stage, before one that needs other sizes.
/// Pages that are kept in pieces would otherwise add up over the stages. Cost: the pages are cleared when they are used
/// again, about 0.2 s a GiB.
void give_memory_back();

}  // namespace prunenet
