/* Mounts whose files have other owners in the container than on the disk (mount_setattr(2), MOUNT_ATTR_IDMAP). */
#ifndef BERTH_IDMAP_H
#define BERTH_IDMAP_H

#include <stdbool.h>

/*
 * Maps all mounts of a detached copy, or the topmost one where it is `alone`. `uids` and `gids` are in the form of uid_map (user_namespaces(7)): id on
 * the disk, id as it is seen, count. `source` is what was copied, for the error. Returns NULL, or the error.
 */
const char *idmap_tree(int tree, bool alone, const char *uids, const char *gids, const char *source);

#endif
