/* Project quotas: ids of folders (FS_IOC_FSSETXATTR) and their limits (quotactl_fd(2)), which ext4 and XFS take in the same form. */
#define _GNU_SOURCE
#include "call.h"

#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECTOR 512

static long project_quota(int fd, int command, uint32_t id, void *data)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, data);
}

/* (fd) → the project's id; 0 where the folder has none */
static napi_value project_id_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct fsxattr attributes;
	int fd = arg_word(&c, 0);
	if (c.failed)
		return NULL;
	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return call_result(&c, -1, "ioctl", NULL);
	return call_result(&c, attributes.fsx_projid, "ioctl", NULL);
}

/* (fd, id): the folder and all that is made in it from now on */
static napi_value set_project_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct fsxattr attributes;
	int fd = arg_word(&c, 0);
	uint32_t id = arg_word(&c, 1);
	if (c.failed)
		return NULL;
	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return call_result(&c, -1, "ioctl", NULL);
	attributes.fsx_projid = id;
	attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return call_result(&c, ioctl(fd, FS_IOC_FSSETXATTR, &attributes), "ioctl", NULL);
}

/* (fd) → 1 where the file system that fd is on enforces limits of projects, 0 where it only counts */
static napi_value projects_limited_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct fs_quota_stat state;
	int fd = arg_word(&c, 0);
	if (c.failed)
		return NULL;
	memset(&state, 0, sizeof state);
	state.qs_version = FS_QSTAT_VERSION;
	if (project_quota(fd, Q_XGETQSTAT, 0, &state) < 0)
		return call_result(&c, -1, "quotactl_fd", NULL);
	return call_result(&c, (state.qs_flags & FS_QUOTA_PDQ_ENFD) != 0, "quotactl_fd", NULL);
}

/* (fd, id, bytes): the most that a project may take, rounded down to sectors; 0: no limit */
static napi_value limit_project_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct fs_disk_quota quota;
	int fd = arg_word(&c, 0);
	uint32_t id = arg_word(&c, 1);
	int64_t bytes = arg_int(&c, 2);
	if (c.failed)
		return NULL;
	memset(&quota, 0, sizeof quota);
	quota.d_version = FS_DQUOT_VERSION;
	quota.d_flags = FS_PROJ_QUOTA;
	quota.d_id = id;
	quota.d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT;
	quota.d_blk_hardlimit = quota.d_blk_softlimit = (uint64_t)bytes / SECTOR;
	return call_result(&c, project_quota(fd, Q_XSETQLIM, id, &quota), "quotactl_fd", NULL);
}

/* (fd, id) → bytes that a project takes */
static napi_value project_usage_binding(napi_env env, napi_callback_info info)
{
	struct call c = call_begin(env, info);
	struct fs_disk_quota quota;
	int fd = arg_word(&c, 0);
	uint32_t id = arg_word(&c, 1);
	if (c.failed)
		return NULL;
	memset(&quota, 0, sizeof quota);
	if (project_quota(fd, Q_XGETQUOTA, id, &quota) < 0)
		return call_result(&c, -1, "quotactl_fd", NULL);
	return call_result(&c, (int64_t)(quota.d_bcount * SECTOR), "quotactl_fd", NULL);
}

const struct binding quota_bindings[] = {
	{ "projectId", project_id_binding },
	{ "setProject", set_project_binding },
	{ "projectsLimited", projects_limited_binding },
	{ "limitProject", limit_project_binding },
	{ "projectUsage", project_usage_binding },
	{ NULL, NULL },
};
