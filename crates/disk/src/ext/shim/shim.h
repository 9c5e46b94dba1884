/*
 * libext2fs for Rust: flat functions over ext2fs.h, so that no struct layout is repeated on the other side.
 *
 * Two things differ from what libext2fs does by itself:
 *  - All input and output goes through two callbacks.
 *  - Bitmaps are loaded group by group. The block bitmap that libext2fs sees starts with everything in use; a group is loaded
 *    when something is taken from it or given back to it, and only such groups are written back. So a file system of
 *    1 TiB costs no more than a small one. Group descriptors and superblock are written where they differ from what
 *    was read; the backups stay as they are, as they do when the kernel changes free counts.
 */
#ifndef COMEBACK_EXT_SHIM_H
#define COMEBACK_EXT_SHIM_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ext2fs/ext2fs.h>
#include <ext2fs/ext2_ext_attr.h>
#include <ext2fs/ext3_extents.h>
#include <et/com_err.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "group descriptors and the superblock are compared and written as they are in memory: little endian only"
#endif

#define LOADED 1
#define DIRTY 2
/* The group contradicts itself: nothing is taken from it. */
#define BAD 4

#define MAX_DEPTH 5

struct comeback_ext {
	ext2_filsys fs;
	void *ctx;
	int (*read)(void *ctx, uint64_t offset, void *data, uint64_t len);
	int (*write)(void *ctx, uint64_t offset, const void *data, uint64_t len);
	struct ext2_super_block super;
	unsigned char *descriptors;
	unsigned char *blocks;
	unsigned char *inodes;
	/* An error that a libext2fs function without a return value met. */
	errcode_t failed;
};

/* A flat copy of what matters in an inode. */
struct comeback_inode {
	uint64_t size;
	int64_t atime, mtime, ctime;
	uint32_t mode, uid, gid, flags, links;
	uint8_t block[60];
	uint32_t has_acl_block;
};

/* Whether the inode is large enough to hold a field. */
#define HAS(ext, inode, field) \
	(EXT2_INODE_SIZE((ext)->fs->super) > EXT2_GOOD_OLD_INODE_SIZE && \
	 offsetof(struct ext2_inode_large, field) + sizeof((inode)->field) <= \
		 EXT2_GOOD_OLD_INODE_SIZE + (size_t)(inode)->i_extra_isize)

unsigned int comeback_clusters_in(ext2_filsys fs, dgrp_t group);
int comeback_impossible(ext2_filsys fs, blk64_t block);
errcode_t comeback_read_block_bitmap(struct comeback_ext *ext, dgrp_t group, unsigned char *bits);
errcode_t comeback_load_blocks(struct comeback_ext *ext, dgrp_t group, unsigned int expected_free);
errcode_t comeback_load_inodes(struct comeback_ext *ext, dgrp_t group);
errcode_t comeback_find_run(struct comeback_ext *ext, blk64_t goal, blk64_t want, blk64_t *out);
errcode_t comeback_find_inode(struct comeback_ext *ext, ext2_ino_t near, ext2_ino_t *out);
void comeback_set_hooks(ext2_filsys fs);
errcode_t comeback_read_full(struct comeback_ext *ext, ext2_ino_t ino, struct ext2_inode_large **out);
errcode_t comeback_write_full(struct comeback_ext *ext, ext2_ino_t ino, struct ext2_inode_large *inode);
errcode_t comeback_check_map(struct comeback_ext *ext, ext2_ino_t ino);
errcode_t comeback_open_xattrs(struct comeback_ext *ext, ext2_ino_t ino, struct ext2_xattr_handle **out);
errcode_t comeback_open_channel(struct comeback_ext *ext, int flags);
errcode_t comeback_ready_group(struct comeback_ext *ext, ext2_ino_t ino);
void comeback_ext_close(struct comeback_ext *ext);
void comeback_ext_free_counts(struct comeback_ext *ext, uint64_t *blocks, uint64_t *inodes);
long comeback_ext_map(struct comeback_ext *ext, uint32_t ino,
		      int (*found)(void *, uint64_t, uint64_t, uint64_t, int), void *ctx);

#endif
