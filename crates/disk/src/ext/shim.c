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

/* ---- what libext2fs would print on stderr becomes an error ---- */

static _Thread_local char complaint[256];

static void complain(const char *whoami, errcode_t code, const char *format, va_list args)
{
	int n = snprintf(complaint, sizeof complaint, "%s: ", whoami ? whoami : "libext2fs");
	if (n > 0 && (size_t)n < sizeof complaint && format)
		vsnprintf(complaint + n, sizeof complaint - (size_t)n, format, args);
	(void)code;
}

/* Not thread-safe: called once. */
void comeback_ext_init(void)
{
	initialize_ext2_error_table();
	set_com_err_hook(complain);
}

const char *comeback_ext_error(long code)
{
	return error_message(code);
}

/* What an error is about; the numbers are those of sys.rs. */
int comeback_ext_class(long code)
{
	switch (code) {
	case EXT2_ET_BLOCK_ALLOC_FAIL:
		return 1;
	case EXT2_ET_INODE_ALLOC_FAIL:
		return 2;
	case EXT2_ET_FILE_NOT_FOUND:
		return 3;
	case EXT2_ET_BAD_MAGIC:
	case EXT2_ET_CORRUPT_SUPERBLOCK:
	case EXT2_ET_SB_CSUM_INVALID:
	case EXT2_ET_BAD_DESC_SIZE:
	case EXT2_ET_BAD_INODE_NUM:
	case EXT2_ET_BAD_BLOCK_NUM:
	case EXT2_ET_GDESC_BAD_BLOCK_MAP:
	case EXT2_ET_GDESC_BAD_INODE_MAP:
	case EXT2_ET_GDESC_BAD_INODE_TABLE:
	case EXT2_ET_MISSING_INODE_TABLE:
	case EXT2_ET_DIR_CORRUPTED:
	case EXT2_ET_DIR_NO_SPACE_FOR_CSUM:
	case EXT2_ET_DIR_CSUM_INVALID:
	case EXT2_ET_INODE_CSUM_INVALID:
	case EXT2_ET_INODE_CORRUPTED:
	case EXT2_ET_INODE_IS_GARBAGE:
	case EXT2_ET_EXTENT_HEADER_BAD:
	case EXT2_ET_EXTENT_INDEX_BAD:
	case EXT2_ET_EXTENT_LEAF_BAD:
	case EXT2_ET_EXTENT_CSUM_INVALID:
	case EXT2_ET_EXTENT_CYCLE:
	case EXT2_ET_EXTENT_NO_DOWN:
	case EXT2_ET_EXT_ATTR_CSUM_INVALID:
	case EXT2_ET_BAD_EA_BLOCK_NUM:
	case EXT2_ET_BAD_EA_HEADER:
	case EXT2_ET_EA_KEY_NOT_FOUND:
	case EXT2_ET_EA_BAD_NAME_LEN:
	case EXT2_ET_EA_BAD_VALUE_SIZE:
	case EXT2_ET_EA_BAD_VALUE_OFFSET:
	case EXT2_ET_EA_INODE_CORRUPTED:
	case EXT2_ET_BAD_CRC:
	case EXT2_ET_FILESYSTEM_CORRUPTED:
	case EXT2_ET_BLOCK_BITMAP_CSUM_INVALID:
	case EXT2_ET_INODE_BITMAP_CSUM_INVALID:
		return 4;
	case EXT2_ET_FILE_TOO_BIG:
	case EXT2_ET_EA_NO_SPACE:
	case EXT2_ET_MISSING_EA_FEATURE:
	case EXT2_ET_DIR_NO_SPACE:
		return 5;
	default:
		return 0;
	}
}

/* What libext2fs complained of since the last call, or NULL. */
const char *comeback_ext_complaint(char *buf, uint64_t len)
{
	if (!complaint[0])
		return NULL;
	snprintf(buf, len, "%s", complaint);
	complaint[0] = 0;
	return buf;
}

void comeback_ext_supported(uint32_t *incompat, uint32_t *ro_compat)
{
	*incompat = EXT2_LIB_FEATURE_INCOMPAT_SUPP;
	*ro_compat = EXT2_LIB_FEATURE_RO_COMPAT_SUPP;
}

/* ---- the I/O manager ---- */

static _Thread_local struct comeback_ext *opening;

static struct comeback_ext *owner(io_channel channel)
{
	return channel->private_data;
}

static uint64_t length(io_channel channel, int count)
{
	return count < 0 ? (uint64_t)-(int64_t)count : (uint64_t)count * (uint64_t)channel->block_size;
}

static errcode_t cb_io_open(const char *name, int flags, io_channel *out);

static errcode_t cb_io_close(io_channel channel)
{
	if (--channel->refcount > 0)
		return 0;
	free(channel->name);
	free(channel);
	return 0;
}

static errcode_t cb_io_set_blksize(io_channel channel, int size)
{
	channel->block_size = size;
	return 0;
}

static errcode_t cb_io_read64(io_channel channel, unsigned long long block, int count, void *data)
{
	struct comeback_ext *ext = owner(channel);
	uint64_t offset;

	if (__builtin_mul_overflow((uint64_t)block, (uint64_t)channel->block_size, &offset))
		return EXT2_ET_BAD_BLOCK_NUM;
	return ext->read(ext->ctx, offset, data, length(channel, count)) ? EXT2_ET_SHORT_READ : 0;
}

static errcode_t cb_io_write64(io_channel channel, unsigned long long block, int count, const void *data)
{
	struct comeback_ext *ext = owner(channel);
	uint64_t offset;

	if (__builtin_mul_overflow((uint64_t)block, (uint64_t)channel->block_size, &offset))
		return EXT2_ET_BAD_BLOCK_NUM;
	return ext->write(ext->ctx, offset, data, length(channel, count)) ? EXT2_ET_SHORT_WRITE : 0;
}

static errcode_t cb_io_read(io_channel channel, unsigned long block, int count, void *data)
{
	return cb_io_read64(channel, block, count, data);
}

static errcode_t cb_io_write(io_channel channel, unsigned long block, int count, const void *data)
{
	return cb_io_write64(channel, block, count, data);
}

static errcode_t cb_io_flush(io_channel channel)
{
	(void)channel;
	return 0;
}

/* Without this, ext2fs_zero_blocks2 uses a buffer that all threads share; so it must not even fall back to it. */
static errcode_t cb_io_zeroout(io_channel channel, unsigned long long block, unsigned long long count)
{
	struct comeback_ext *ext = owner(channel);
	void *zeros = calloc(1, (size_t)channel->block_size);
	errcode_t error = zeros ? 0 : EXT2_ET_NO_MEMORY;

	for (; !error && count > 0; block++, count--)
		error = cb_io_write64(channel, block, 1, zeros);
	free(zeros);
	if (error && !ext->failed)
		ext->failed = error;
	return 0;
}

static struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "comeback",
	.open = cb_io_open,
	.close = cb_io_close,
	.set_blksize = cb_io_set_blksize,
	.read_blk = cb_io_read,
	.write_blk = cb_io_write,
	.flush = cb_io_flush,
	.read_blk64 = cb_io_read64,
	.write_blk64 = cb_io_write64,
	.zeroout = cb_io_zeroout,
};

static errcode_t cb_io_open(const char *name, int flags, io_channel *out)
{
	io_channel channel = calloc(1, sizeof *channel);

	(void)flags;
	if (!channel)
		return EXT2_ET_NO_MEMORY;
	channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	channel->manager = &manager;
	channel->name = strdup(name);
	if (!channel->name) {
		free(channel);
		return EXT2_ET_NO_MEMORY;
	}
	channel->block_size = 1024;
	channel->refcount = 1;
	channel->private_data = opening;
	*out = channel;
	return 0;
}

/* ---- bitmaps, group by group ---- */

static unsigned int clusters_in(ext2_filsys fs, dgrp_t group)
{
	return (unsigned int)EXT2FS_NUM_B2C(fs, (blk64_t)ext2fs_group_blocks_count(fs, group));
}

static unsigned int zero_bits(const unsigned char *bits, unsigned int count)
{
	unsigned int i, zeros = 0;

	for (i = 0; i < count; i++)
		zeros += !ext2fs_test_bit((int)i, bits);
	return zeros;
}

/* Flags of the group's descriptor as it was read: libext2fs clears the "uninit" flags before it asks us. */
static unsigned int flags_on_disk(struct comeback_ext *ext, dgrp_t group)
{
	struct ext2_group_desc *gd = ext2fs_group_desc(ext->fs, (struct opaque_ext2_group_desc *)ext->descriptors, group);

	return ext2fs_has_group_desc_csum(ext->fs) ? gd->bg_flags : 0;
}

static void mark_if_inside(ext2_filsys fs, unsigned char *bits, blk64_t first, blk64_t last, blk64_t block, blk64_t count)
{
	blk64_t end = block + count;

	for (; block < end; block++)
		if (block >= first && block <= last)
			ext2fs_set_bit((int)EXT2FS_B2C(fs, block - first), bits);
}

/* The bitmap of a group that was never used: what the kernel's ext4_init_block_bitmap makes. With flex_bg, the bitmaps
 * and inode tables of other groups may lie in this one, so all descriptors are looked at. */
static void initial_bitmap(ext2_filsys fs, dgrp_t group, unsigned char *bits)
{
	blk64_t first = ext2fs_group_first_block2(fs, group), last = ext2fs_group_last_block2(fs, group);
	blk64_t super, old_desc, new_desc;
	blk_t desc_blocks;
	dgrp_t g;

	memset(bits, 0, fs->blocksize);
	ext2fs_super_and_bgd_loc2(fs, group, &super, &old_desc, &new_desc, &desc_blocks);
	if (super || group == 0)
		mark_if_inside(fs, bits, first, last, super, 1);
	if (old_desc) {
		blk64_t count = desc_blocks;
		if (!ext2fs_has_feature_meta_bg(fs->super))
			count = fs->desc_blocks + fs->super->s_reserved_gdt_blocks;
		mark_if_inside(fs, bits, first, last, old_desc, count);
	}
	if (new_desc)
		mark_if_inside(fs, bits, first, last, new_desc, 1);
	for (g = 0; g < fs->group_desc_count; g++) {
		blk64_t table = ext2fs_inode_table_loc(fs, g);

		mark_if_inside(fs, bits, first, last, ext2fs_block_bitmap_loc(fs, g), 1);
		mark_if_inside(fs, bits, first, last, ext2fs_inode_bitmap_loc(fs, g), 1);
		if (table <= last && table + fs->inode_blocks_per_group > first)
			mark_if_inside(fs, bits, first, last, table, fs->inode_blocks_per_group);
	}
}

/* A location in a descriptor that cannot be: reading it would read something else. */
static int impossible(ext2_filsys fs, blk64_t block)
{
	return block < fs->super->s_first_data_block || block >= ext2fs_blocks_count(fs->super);
}

/* The group's block bitmap as it is on the medium, one bit per cluster, `blocksize` bytes. */
static errcode_t read_block_bitmap(struct comeback_ext *ext, dgrp_t group, unsigned char *bits)
{
	ext2_filsys fs = ext->fs;
	errcode_t error;

	if (flags_on_disk(ext, group) & EXT2_BG_BLOCK_UNINIT) {
		initial_bitmap(fs, group, bits);
		return 0;
	}
	if (impossible(fs, ext2fs_block_bitmap_loc(fs, group)))
		return EXT2_ET_GDESC_BAD_BLOCK_MAP;
	error = io_channel_read_blk64(fs->io, ext2fs_block_bitmap_loc(fs, group), 1, bits);
	if (error)
		return error;
	if (!ext2fs_block_bitmap_csum_verify(fs, group, (char *)bits, (int)EXT2_CLUSTERS_PER_GROUP(fs->super) / 8))
		return EXT2_ET_BLOCK_BITMAP_CSUM_INVALID;
	return 0;
}

static errcode_t load_blocks(struct comeback_ext *ext, dgrp_t group, unsigned int expected_free)
{
	ext2_filsys fs = ext->fs;
	unsigned int count = clusters_in(fs, group);
	unsigned char *bits;
	errcode_t error;

	if (ext->blocks[group] & (LOADED | BAD))
		return 0;
	bits = malloc(fs->blocksize);
	if (!bits)
		return EXT2_ET_NO_MEMORY;
	error = read_block_bitmap(ext, group, bits);
	/* A damaged bitmap is the group's fault, a medium that fails is not. */
	if (error == EXT2_ET_BLOCK_BITMAP_CSUM_INVALID || error == EXT2_ET_GDESC_BAD_BLOCK_MAP ||
	    (!error && zero_bits(bits, count) != expected_free)) {
		ext->blocks[group] |= BAD;
		error = 0;
	} else if (!error) {
		ext2fs_unmark_block_bitmap_range2(fs->block_map, ext2fs_group_first_block2(fs, group),
						  (unsigned int)ext2fs_group_blocks_count(fs, group));
		error = ext2fs_set_block_bitmap_range2(
			fs->block_map, EXT2FS_B2C(fs, ext2fs_group_first_block2(fs, group)), count, bits);
		if (!error)
			ext->blocks[group] |= LOADED;
	}
	free(bits);
	return error;
}

static errcode_t load_inodes(struct comeback_ext *ext, dgrp_t group)
{
	ext2_filsys fs = ext->fs;
	unsigned int count = EXT2_INODES_PER_GROUP(fs->super);
	ext2_ino_t first = group * count + 1;
	unsigned char *bits;
	errcode_t error = 0;

	if (ext->inodes[group] & (LOADED | BAD))
		return 0;
	bits = calloc(1, fs->blocksize);
	if (!bits)
		return EXT2_ET_NO_MEMORY;
	if (!(flags_on_disk(ext, group) & EXT2_BG_INODE_UNINIT)) {
		error = impossible(fs, ext2fs_inode_bitmap_loc(fs, group)) ?
			EXT2_ET_GDESC_BAD_INODE_MAP :
			io_channel_read_blk64(fs->io, ext2fs_inode_bitmap_loc(fs, group), 1, bits);
		if (!error && !ext2fs_inode_bitmap_csum_verify(fs, group, (char *)bits, (int)count / 8))
			error = EXT2_ET_INODE_BITMAP_CSUM_INVALID;
	}
	if (error == EXT2_ET_INODE_BITMAP_CSUM_INVALID || error == EXT2_ET_GDESC_BAD_INODE_MAP ||
	    (!error && zero_bits(bits, count) != ext2fs_bg_free_inodes_count(fs, group))) {
		ext->inodes[group] |= BAD;
		error = 0;
	} else if (!error) {
		error = ext2fs_set_inode_bitmap_range2(fs->inode_map, first, count, bits);
		if (!error)
			ext->inodes[group] |= LOADED;
	}
	free(bits);
	return error;
}

/* ---- allocation ---- */

/* The first free run of `want` blocks (whole clusters) in a group, at or after `goal` if that is in the group. */
static int run_in(struct comeback_ext *ext, dgrp_t group, blk64_t goal, blk64_t want, blk64_t *out)
{
	ext2_filsys fs = ext->fs;
	blk64_t first = ext2fs_group_first_block2(fs, group), last = ext2fs_group_last_block2(fs, group);
	blk64_t at, end;

	if (goal > first && goal <= last)
		first = goal & ~(blk64_t)EXT2FS_CLUSTER_MASK(fs);
	while (first <= last && last - first + 1 >= want) {
		if (ext2fs_find_first_zero_block_bitmap2(fs->block_map, first, last, &at))
			return 0;
		if (last - at + 1 < want)
			return 0;
		if (want == 1 || ext2fs_find_first_set_block_bitmap2(fs->block_map, at, at + want - 1, &end)) {
			*out = at;
			return 1;
		}
		first = end;
	}
	return 0;
}

/* Groups with a bitmap on the medium come first: one that was never used needs a larger patch. */
static errcode_t find_run(struct comeback_ext *ext, blk64_t goal, blk64_t want, blk64_t *out)
{
	ext2_filsys fs = ext->fs;
	unsigned int clusters = (unsigned int)EXT2FS_NUM_B2C(fs, want);
	dgrp_t start, i;
	int pass;

	if (impossible(fs, goal))
		goal = fs->super->s_first_data_block;
	start = ext2fs_group_of_blk2(fs, goal);
	for (pass = 0; pass < 3; pass++) {
		for (i = 0; i < fs->group_desc_count; i++) {
			dgrp_t group = (start + i) % fs->group_desc_count;
			int fresh = !!ext2fs_bg_flags_test(fs, group, EXT2_BG_BLOCK_UNINIT) &&
				    ext2fs_has_group_desc_csum(fs);
			errcode_t error;

			if ((pass == 1) != fresh && pass < 2)
				continue;
			if (ext2fs_bg_free_blocks_count(fs, group) < clusters || ext->blocks[group] & BAD)
				continue;
			error = load_blocks(ext, group, ext2fs_bg_free_blocks_count(fs, group));
			if (error)
				return error;
			if (ext->blocks[group] & BAD)
				continue;
			/* The third pass looks at what lies before the goal in its own group. */
			if (run_in(ext, group, pass < 2 ? goal : 0, want, out))
				return 0;
		}
	}
	return EXT2_ET_BLOCK_ALLOC_FAIL;
}

static errcode_t hook_alloc(ext2_filsys fs, blk64_t goal, blk64_t *out, struct blk_alloc_ctx *ctx)
{
	errcode_t error;

	(void)ctx;
	error = find_run(fs->priv_data, goal, 1, out);
	if (!error)
		ext2fs_clear_block_uninit(fs, ext2fs_group_of_blk2(fs, *out));
	return error;
}

static errcode_t hook_alloc_plain(ext2_filsys fs, blk64_t goal, blk64_t *out)
{
	return hook_alloc(fs, goal, out, NULL);
}

static errcode_t hook_range(ext2_filsys fs, int flags, blk64_t goal, blk64_t len, blk64_t *out, blk64_t *out_len)
{
	errcode_t error;

	*out_len = flags & EXT2_NEWRANGE_MIN_LENGTH ? len : 1;
	error = find_run(fs->priv_data, goal, *out_len, out);
	if (!error && flags & EXT2_NEWRANGE_FIXED_GOAL && *out != goal)
		error = EXT2_ET_BLOCK_ALLOC_FAIL;
	return error;
}

/* libext2fs has changed one bit and the group's free count; a group that was not loaded is loaded now, and the change is
 * made again. */
static void hook_stats(ext2_filsys fs, blk64_t block, int inuse)
{
	struct comeback_ext *ext = fs->priv_data;
	dgrp_t group = ext2fs_group_of_blk2(fs, block);
	errcode_t error;

	if (!(ext->blocks[group] & LOADED)) {
		error = load_blocks(ext, group, ext2fs_bg_free_blocks_count(fs, group) + (inuse > 0 ? 1 : -1));
		if (!error && ext->blocks[group] & BAD)
			error = EXT2_ET_FILESYSTEM_CORRUPTED;
		if (!error && !ext2fs_test_block_bitmap2(fs->block_map, block) == (inuse < 0))
			error = EXT2_ET_FILESYSTEM_CORRUPTED;
		if (error) {
			if (!ext->failed)
				ext->failed = error;
			return;
		}
		if (inuse > 0)
			ext2fs_mark_block_bitmap2(fs->block_map, block);
		else
			ext2fs_unmark_block_bitmap2(fs->block_map, block);
	}
	ext->blocks[group] |= DIRTY;
}

static void hook_stats_range(ext2_filsys fs, blk64_t block, blk_t count, int inuse)
{
	struct comeback_ext *ext = fs->priv_data;
	blk64_t end = block + count;

	(void)inuse;
	for (; block < end; block++) {
		dgrp_t group = ext2fs_group_of_blk2(fs, block);

		/* Ranges are only ever taken, from groups that find_run has loaded. */
		if (!(ext->blocks[group] & LOADED) && !ext->failed)
			ext->failed = EXT2_ET_FILESYSTEM_CORRUPTED;
		ext->blocks[group] |= DIRTY;
	}
}

static errcode_t find_inode(struct comeback_ext *ext, ext2_ino_t near, ext2_ino_t *out)
{
	ext2_filsys fs = ext->fs;
	unsigned int per_group = EXT2_INODES_PER_GROUP(fs->super);
	dgrp_t start = (near - 1) / per_group, i;
	int pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < fs->group_desc_count; i++) {
			dgrp_t group = (start + i) % fs->group_desc_count;
			ext2_ino_t first = group * per_group + 1, last = first + per_group - 1;
			int fresh = !!(flags_on_disk(ext, group) & EXT2_BG_INODE_UNINIT);
			errcode_t error;

			if (pass != fresh || !ext2fs_bg_free_inodes_count(fs, group) || ext->inodes[group] & BAD)
				continue;
			error = load_inodes(ext, group);
			if (error)
				return error;
			if (ext->inodes[group] & BAD)
				continue;
			if (first < EXT2_FIRST_INODE(fs->super))
				first = EXT2_FIRST_INODE(fs->super);
			if (first > last || ext2fs_find_first_zero_inode_bitmap2(fs->inode_map, first, last, out))
				continue;
			ext->inodes[group] |= DIRTY;
			return 0;
		}
	}
	return EXT2_ET_INODE_ALLOC_FAIL;
}

/* As the kernel does: a group whose inodes are used has a block bitmap too. */
static errcode_t take_inode(struct comeback_ext *ext, ext2_ino_t ino, int isdir)
{
	ext2_filsys fs = ext->fs;
	dgrp_t group = ext2fs_group_of_ino(fs, ino);
	errcode_t error;

	if (ext2fs_has_group_desc_csum(fs) && ext2fs_bg_flags_test(fs, group, EXT2_BG_BLOCK_UNINIT)) {
		error = load_blocks(ext, group, ext2fs_bg_free_blocks_count(fs, group));
		if (error)
			return error;
		if (ext->blocks[group] & LOADED) {
			ext2fs_clear_block_uninit(fs, group);
			ext->blocks[group] |= DIRTY;
		}
	}
	ext2fs_inode_alloc_stats2(fs, ino, +1, isdir);
	return 0;
}

/* ---- open, flush, close ---- */

void comeback_ext_close(struct comeback_ext *ext)
{
	if (ext->fs)
		ext2fs_free(ext->fs);
	free(ext->descriptors);
	free(ext->blocks);
	free(ext->inodes);
	free(ext);
}

long comeback_ext_open(void *ctx, int (*read)(void *, uint64_t, void *, uint64_t),
		       int (*write)(void *, uint64_t, const void *, uint64_t), int writable, int64_t now,
		       struct comeback_ext **out)
{
	struct comeback_ext *ext = calloc(1, sizeof *ext);
	int flags = EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP | (writable ? EXT2_FLAG_RW : 0);
	blk64_t blocks, at;
	size_t table;
	errcode_t error;
	ext2_filsys fs;

	if (!ext)
		return EXT2_ET_NO_MEMORY;
	ext->ctx = ctx;
	ext->read = read;
	ext->write = write;
	opening = ext;
	error = ext2fs_open2("comeback", NULL, flags, 0, 0, &manager, &ext->fs);
	opening = NULL;
	if (error) {
		ext->fs = NULL;
		goto fail;
	}
	fs = ext->fs;
	fs->now = now;
	fs->priv_data = ext;
	table = (size_t)fs->desc_blocks * fs->blocksize;
	error = EXT2_ET_NO_MEMORY;
	ext->descriptors = malloc(table);
	if (!ext->descriptors)
		goto fail;
	memcpy(ext->descriptors, fs->group_desc, table);
	memcpy(&ext->super, fs->super, sizeof ext->super);
	if (writable) {
		ext->blocks = calloc(1, fs->group_desc_count);
		ext->inodes = calloc(1, fs->group_desc_count);
		if (!ext->blocks || !ext->inodes)
			goto fail;
		fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE;
		error = ext2fs_allocate_block_bitmap(fs, "blocks", &fs->block_map);
		if (!error)
			error = ext2fs_allocate_inode_bitmap(fs, "inodes", &fs->inode_map);
		if (error)
			goto fail;
		blocks = ext2fs_blocks_count(fs->super);
		for (at = fs->super->s_first_data_block; at < blocks;) {
			blk64_t count = blocks - at > (1u << 30) ? (1u << 30) : blocks - at;

			ext2fs_mark_block_bitmap_range2(fs->block_map, at, (unsigned int)count);
			at += count;
		}
		fs->get_alloc_block = hook_alloc_plain;
		fs->get_alloc_block2 = hook_alloc;
		fs->new_range = hook_range;
		fs->block_alloc_stats = hook_stats;
		fs->block_alloc_stats_range = hook_stats_range;
	}
	*out = ext;
	return 0;
fail:
	comeback_ext_close(ext);
	return error;
}

/* Sums over the group descriptors: the kernel does not keep the superblock's counts up to date. */
void comeback_ext_free_counts(struct comeback_ext *ext, uint64_t *blocks, uint64_t *inodes)
{
	dgrp_t group;

	*blocks = *inodes = 0;
	for (group = 0; group < ext->fs->group_desc_count; group++) {
		*blocks += (uint64_t)ext2fs_bg_free_blocks_count(ext->fs, group) << ext->fs->cluster_ratio_bits;
		*inodes += ext2fs_bg_free_inodes_count(ext->fs, group);
	}
}

static errcode_t write_block_bitmap(struct comeback_ext *ext, dgrp_t group, unsigned char *bits)
{
	ext2_filsys fs = ext->fs;
	unsigned int count = clusters_in(fs, group), i;
	errcode_t error;

	memset(bits, 0, fs->blocksize);
	error = ext2fs_get_block_bitmap_range2(fs->block_map, EXT2FS_B2C(fs, ext2fs_group_first_block2(fs, group)), count,
					       bits);
	if (error)
		return error;
	for (i = count; i < fs->blocksize * 8; i++)
		ext2fs_set_bit((int)i, bits);
	error = ext2fs_block_bitmap_csum_set(fs, group, (char *)bits, (int)EXT2_CLUSTERS_PER_GROUP(fs->super) / 8);
	if (error)
		return error;
	ext2fs_group_desc_csum_set(fs, group);
	return io_channel_write_blk64(fs->io, ext2fs_block_bitmap_loc(fs, group), 1, bits);
}

static errcode_t write_inode_bitmap(struct comeback_ext *ext, dgrp_t group, unsigned char *bits)
{
	ext2_filsys fs = ext->fs;
	unsigned int count = EXT2_INODES_PER_GROUP(fs->super);
	errcode_t error;

	memset(bits, 0xff, fs->blocksize);
	error = ext2fs_get_inode_bitmap_range2(fs->inode_map, (__u64)group * count + 1, count, bits);
	if (error)
		return error;
	error = ext2fs_inode_bitmap_csum_set(fs, group, (char *)bits, (int)count / 8);
	if (error)
		return error;
	ext2fs_group_desc_csum_set(fs, group);
	return io_channel_write_blk64(fs->io, ext2fs_inode_bitmap_loc(fs, group), 1, bits);
}

long comeback_ext_flush(struct comeback_ext *ext)
{
	ext2_filsys fs = ext->fs;
	unsigned char *bits = malloc(fs->blocksize);
	uint64_t free_blocks, free_inodes;
	errcode_t error = 0;
	unsigned long i;
	int changed = 0;
	dgrp_t group;

	if (!bits)
		return EXT2_ET_NO_MEMORY;
	for (group = 0; !error && group < fs->group_desc_count; group++) {
		if (ext->blocks[group] & DIRTY)
			error = write_block_bitmap(ext, group, bits);
		if (!error && ext->inodes[group] & DIRTY)
			error = write_inode_bitmap(ext, group, bits);
		if (!error) {
			changed |= (ext->blocks[group] | ext->inodes[group]) & DIRTY;
			ext->blocks[group] &= ~DIRTY;
			ext->inodes[group] &= ~DIRTY;
		}
	}
	free(bits);
	for (i = 0; !error && i < fs->desc_blocks; i++) {
		unsigned char *now = (unsigned char *)fs->group_desc + i * fs->blocksize;
		unsigned char *was = ext->descriptors + i * fs->blocksize;

		if (!memcmp(now, was, fs->blocksize))
			continue;
		error = io_channel_write_blk64(
			fs->io, ext2fs_descriptor_block_loc2(fs, fs->super->s_first_data_block, i), 1, now);
		if (!error)
			memcpy(was, now, fs->blocksize);
	}
	if (error)
		return error;
	if (changed) {
		comeback_ext_free_counts(ext, &free_blocks, &free_inodes);
		ext2fs_free_blocks_count_set(fs->super, free_blocks);
		fs->super->s_free_inodes_count = (__u32)free_inodes;
	}
	if (!memcmp(fs->super, &ext->super, sizeof ext->super))
		return 0;
	error = ext2fs_superblock_csum_set(fs, fs->super);
	if (error)
		return error;
	if (ext->write(ext->ctx, SUPERBLOCK_OFFSET, fs->super, sizeof ext->super))
		return EXT2_ET_SHORT_WRITE;
	memcpy(&ext->super, fs->super, sizeof ext->super);
	return 0;
}

/* The error that a function without a return value met since the last call. */
long comeback_ext_take_failed(struct comeback_ext *ext)
{
	errcode_t failed = ext->failed;

	ext->failed = 0;
	return failed;
}

/* ---- reading ---- */

static errcode_t read_full(struct comeback_ext *ext, ext2_ino_t ino, struct ext2_inode_large **out)
{
	unsigned int size = EXT2_INODE_SIZE(ext->fs->super);
	struct ext2_inode_large *inode = calloc(1, size > sizeof *inode ? size : sizeof *inode);
	errcode_t error;

	if (!inode)
		return EXT2_ET_NO_MEMORY;
	error = ext2fs_read_inode_full(ext->fs, ino, (struct ext2_inode *)inode, (int)size);
	if (error)
		free(inode);
	else
		*out = inode;
	return error;
}

static errcode_t write_full(struct comeback_ext *ext, ext2_ino_t ino, struct ext2_inode_large *inode)
{
	return ext2fs_write_inode_full(ext->fs, ino, (struct ext2_inode *)inode, (int)EXT2_INODE_SIZE(ext->fs->super));
}

/* Whether the inode is large enough to hold a field. */
#define HAS(ext, inode, field) \
	(EXT2_INODE_SIZE((ext)->fs->super) > EXT2_GOOD_OLD_INODE_SIZE && \
	 offsetof(struct ext2_inode_large, field) + sizeof((inode)->field) <= \
		 EXT2_GOOD_OLD_INODE_SIZE + (size_t)(inode)->i_extra_isize)

static int64_t time_of(uint32_t low, uint32_t extra)
{
	return (int64_t)(int32_t)low + ((int64_t)(extra & 3) << 32);
}

long comeback_ext_inode(struct comeback_ext *ext, uint32_t ino, struct comeback_inode *out)
{
	struct ext2_inode_large *inode;
	errcode_t error = read_full(ext, ino, &inode);

	if (error)
		return error;
	memset(out, 0, sizeof *out);
	out->size = EXT2_I_SIZE(inode);
	out->atime = time_of(inode->i_atime, HAS(ext, inode, i_atime_extra) ? inode->i_atime_extra : 0);
	out->mtime = time_of(inode->i_mtime, HAS(ext, inode, i_mtime_extra) ? inode->i_mtime_extra : 0);
	out->ctime = time_of(inode->i_ctime, HAS(ext, inode, i_ctime_extra) ? inode->i_ctime_extra : 0);
	out->mode = inode->i_mode;
	out->uid = inode_uid(*inode);
	out->gid = inode_gid(*inode);
	out->flags = inode->i_flags;
	out->links = inode->i_links_count;
	memcpy(out->block, inode->i_block, sizeof out->block);
	out->has_acl_block = ext2fs_file_acl_block(ext->fs, (struct ext2_inode *)inode) != 0;
	free(inode);
	return 0;
}

struct map_walk {
	struct comeback_ext *ext;
	void *ctx;
	int (*found)(void *ctx, uint64_t logical, uint64_t physical, uint64_t len, int unwritten);
	uint64_t next, seen, limit;
	uint64_t logical, physical, len;
	errcode_t error;
};

static int map_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t count, blk64_t ref, int offset, void *data)
{
	struct map_walk *walk = data;

	(void)ref;
	(void)offset;
	if (++walk->seen > walk->limit || impossible(fs, *block)) {
		walk->error = EXT2_ET_INODE_CORRUPTED;
		return BLOCK_ABORT;
	}
	if (count < 0)
		return 0;
	if (walk->len && walk->logical + walk->len == (uint64_t)count && walk->physical + walk->len == *block) {
		walk->len++;
		return 0;
	}
	if (walk->len && walk->found(walk->ctx, walk->logical, walk->physical, walk->len, 0)) {
		walk->error = EXT2_ET_NO_MEMORY;
		return BLOCK_ABORT;
	}
	walk->logical = (uint64_t)count;
	walk->physical = *block;
	walk->len = 1;
	return 0;
}

/* Calls `found` for each run of blocks, in ascending logical order. Refuses trees that go in circles, overlap, lead out
 * of the file system or have more blocks than the inode claims, so that nothing that libext2fs does with the inode
 * afterwards can go on for ever. */
long comeback_ext_map(struct comeback_ext *ext, uint32_t ino,
		      int (*found)(void *, uint64_t, uint64_t, uint64_t, int), void *ctx)
{
	ext2_filsys fs = ext->fs;
	struct map_walk walk = { .ext = ext, .ctx = ctx, .found = found };
	struct ext2_inode inode;
	ext2_extent_handle_t handle;
	struct ext2fs_extent extent;
	uint64_t sectors, size;
	errcode_t error = ext2fs_read_inode(fs, ino, &inode);

	if (error)
		return error;
	if (inode.i_flags & EXT4_INLINE_DATA_FL || ext2fs_is_fast_symlink(&inode) ||
	    !(LINUX_S_ISREG(inode.i_mode) || LINUX_S_ISDIR(inode.i_mode) || LINUX_S_ISLNK(inode.i_mode)))
		return 0;
	sectors = ext2fs_get_stat_i_blocks(fs, &inode);
	size = EXT2_I_SIZE(&inode);
	walk.limit = (sectors / (fs->blocksize / 512) > size / fs->blocksize ? sectors / (fs->blocksize / 512) :
									       size / fs->blocksize) + 64;
	if (walk.limit > ext2fs_blocks_count(fs->super))
		walk.limit = ext2fs_blocks_count(fs->super);

	if (!(inode.i_flags & EXT4_EXTENTS_FL)) {
		error = ext2fs_block_iterate3(fs, ino, BLOCK_FLAG_READ_ONLY, NULL, map_block, &walk);
		if (walk.error)
			return walk.error;
		if (!error && walk.len && found(ctx, walk.logical, walk.physical, walk.len, 0))
			error = EXT2_ET_NO_MEMORY;
		return error;
	}
	if (((struct ext3_extent_header *)inode.i_block)->eh_depth > MAX_DEPTH)
		return EXT2_ET_EXTENT_HEADER_BAD;
	error = ext2fs_extent_open2(fs, ino, &inode, &handle);
	if (error)
		return error;
	error = ext2fs_extent_get(handle, EXT2_EXTENT_ROOT, &extent);
	while (!error) {
		if (++walk.seen > walk.limit) {
			error = EXT2_ET_INODE_CORRUPTED;
			break;
		}
		if (extent.e_flags & EXT2_EXTENT_FLAGS_LEAF) {
			if (extent.e_lblk < walk.next || extent.e_len == 0 || impossible(fs, extent.e_pblk) ||
			    impossible(fs, extent.e_pblk + extent.e_len - 1)) {
				error = EXT2_ET_INODE_CORRUPTED;
				break;
			}
			walk.next = extent.e_lblk + extent.e_len;
			if (found(ctx, extent.e_lblk, extent.e_pblk, extent.e_len,
				  !!(extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT))) {
				error = EXT2_ET_NO_MEMORY;
				break;
			}
		}
		error = ext2fs_extent_get(handle, EXT2_EXTENT_NEXT, &extent);
	}
	ext2fs_extent_free(handle);
	/* A tree without any entry has no current node. */
	return error == EXT2_ET_EXTENT_NO_NEXT || error == EXT2_ET_NO_CURRENT_NODE ? 0 : error;
}

static int ignore_extent(void *ctx, uint64_t logical, uint64_t physical, uint64_t len, int unwritten)
{
	(void)ctx, (void)logical, (void)physical, (void)len, (void)unwritten;
	return 0;
}

static errcode_t check_map(struct comeback_ext *ext, ext2_ino_t ino)
{
	return comeback_ext_map(ext, ino, ignore_extent, NULL);
}

long comeback_ext_lookup(struct comeback_ext *ext, uint32_t dir, const char *name, uint64_t len, uint32_t *out)
{
	ext2_ino_t ino = 0;
	errcode_t error = check_map(ext, dir);

	if (!error)
		error = ext2fs_lookup(ext->fs, dir, name, (int)len, NULL, &ino);
	if (!error && (ino == 0 || ino > ext->fs->super->s_inodes_count))
		error = EXT2_ET_DIR_CORRUPTED;
	*out = ino;
	return error;
}

struct dir_walk {
	void *ctx;
	int (*found)(void *ctx, const char *name, uint64_t len);
};

static int dir_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *dirent, int offset, int size, char *buf, void *data)
{
	struct dir_walk *walk = data;

	(void)dir, (void)entry, (void)offset, (void)size, (void)buf;
	return walk->found(walk->ctx, dirent->name, (uint64_t)ext2fs_dirent_name_len(dirent)) ? DIRENT_ABORT : 0;
}

long comeback_ext_dir(struct comeback_ext *ext, uint32_t ino, int (*found)(void *, const char *, uint64_t), void *ctx)
{
	struct dir_walk walk = { ctx, found };
	errcode_t error = check_map(ext, ino);

	return error ? error : ext2fs_dir_iterate2(ext->fs, ino, 0, NULL, dir_entry, &walk);
}

/* The content of an inode that keeps it inline: at most one block. */
long comeback_ext_inline(struct comeback_ext *ext, uint32_t ino, int (*found)(void *, const char *, uint64_t), void *ctx)
{
	size_t size = 0;
	errcode_t error = ext2fs_inline_data_size(ext->fs, ino, &size);
	char *data;

	if (error)
		return error;
	if (size > ext->fs->blocksize)
		return EXT2_ET_INODE_CORRUPTED;
	data = calloc(1, size + 1);
	if (!data)
		return EXT2_ET_NO_MEMORY;
	error = ext2fs_inline_data_get(ext->fs, ino, NULL, data, &size);
	if (!error && found(ctx, data, size))
		error = EXT2_ET_NO_MEMORY;
	free(data);
	return error;
}

struct xattr_walk {
	void *ctx;
	int (*found)(void *ctx, const char *name, const void *value, uint64_t len);
	int failed;
};

static int xattr_entry(char *name, char *value, size_t len, void *data)
{
	struct xattr_walk *walk = data;

	walk->failed = walk->found(walk->ctx, name, value, len);
	return walk->failed ? XATTR_ABORT : 0;
}

static errcode_t open_xattrs(struct comeback_ext *ext, ext2_ino_t ino, struct ext2_xattr_handle **out)
{
	errcode_t error = ext2fs_xattrs_open(ext->fs, ino, out);

	if (error)
		return error;
	error = ext2fs_xattrs_read(*out);
	if (error)
		ext2fs_xattrs_close(out);
	return error;
}

long comeback_ext_xattrs(struct comeback_ext *ext, uint32_t ino,
			 int (*found)(void *, const char *, const void *, uint64_t), void *ctx)
{
	struct xattr_walk walk = { ctx, found, 0 };
	struct ext2_xattr_handle *handle;
	errcode_t error = open_xattrs(ext, ino, &handle);

	if (error)
		return error == EXT2_ET_MISSING_EA_FEATURE ? 0 : error;
	error = ext2fs_xattrs_iterate(handle, xattr_entry, &walk);
	if (!error && walk.failed)
		error = EXT2_ET_NO_MEMORY;
	ext2fs_xattrs_close(&handle);
	return error;
}

/* The runs of blocks that a group's bitmap shows in use. */
long comeback_ext_used(struct comeback_ext *ext, uint32_t group, int (*found)(void *, uint64_t, uint64_t), void *ctx)
{
	ext2_filsys fs = ext->fs;
	blk64_t first = ext2fs_group_first_block2(fs, group), count = (blk64_t)ext2fs_group_blocks_count(fs, group);
	unsigned int clusters = clusters_in(fs, group), from, to;
	unsigned char *bits = malloc(fs->blocksize);
	errcode_t error;

	if (!bits)
		return EXT2_ET_NO_MEMORY;
	error = read_block_bitmap(ext, group, bits);
	for (from = 0; !error && from < clusters; from = to) {
		int used = ext2fs_test_bit((int)from, bits);
		blk64_t start, end;

		for (to = from; to < clusters && !ext2fs_test_bit((int)to, bits) == !used; to++)
			;
		start = EXT2FS_C2B(fs, (blk64_t)from);
		end = EXT2FS_C2B(fs, (blk64_t)to);
		if (end > count)
			end = count;
		if (used && found(ctx, first + start, end - start))
			error = EXT2_ET_NO_MEMORY;
	}
	free(bits);
	return error;
}

uint32_t comeback_ext_groups(struct comeback_ext *ext)
{
	return ext->fs->group_desc_count;
}

/* ---- writing ---- */

long comeback_ext_set_flags(struct comeback_ext *ext, uint32_t ino, uint32_t set, uint32_t clear)
{
	struct ext2_inode_large *inode;
	errcode_t error = read_full(ext, ino, &inode);

	if (error)
		return error;
	inode->i_flags = (inode->i_flags & ~clear) | set;
	error = write_full(ext, ino, inode);
	free(inode);
	return error;
}

static uint32_t extra_of(int64_t time)
{
	return (uint32_t)(((time - (int64_t)(int32_t)time) >> 32) & 3);
}

/* Owner, permission bits and all times of a new inode. */
long comeback_ext_set_attributes(struct comeback_ext *ext, uint32_t ino, uint32_t mode, uint32_t uid, uint32_t gid,
				 int64_t time)
{
	struct ext2_inode_large *inode;
	errcode_t error = read_full(ext, ino, &inode);

	if (error)
		return error;
	inode->i_mode = (__u16)((inode->i_mode & LINUX_S_IFMT) | (mode & 07777));
	inode->i_uid = (__u16)uid;
	inode->osd2.linux2.l_i_uid_high = (__u16)(uid >> 16);
	inode->i_gid = (__u16)gid;
	inode->osd2.linux2.l_i_gid_high = (__u16)(gid >> 16);
	inode->i_atime = inode->i_mtime = inode->i_ctime = (__u32)time;
	if (HAS(ext, inode, i_ctime_extra))
		inode->i_ctime_extra = extra_of(time);
	if (HAS(ext, inode, i_mtime_extra))
		inode->i_mtime_extra = extra_of(time);
	if (HAS(ext, inode, i_atime_extra))
		inode->i_atime_extra = extra_of(time);
	if (HAS(ext, inode, i_crtime))
		inode->i_crtime = (__u32)time;
	if (HAS(ext, inode, i_crtime_extra))
		inode->i_crtime_extra = extra_of(time);
	error = write_full(ext, ino, inode);
	free(inode);
	return error;
}

/* mtime and ctime of a directory that was changed. */
long comeback_ext_touch(struct comeback_ext *ext, uint32_t ino, int64_t time)
{
	struct ext2_inode_large *inode;
	errcode_t error = read_full(ext, ino, &inode);

	if (error)
		return error;
	inode->i_mtime = inode->i_ctime = (__u32)time;
	if (HAS(ext, inode, i_ctime_extra))
		inode->i_ctime_extra = extra_of(time);
	if (HAS(ext, inode, i_mtime_extra))
		inode->i_mtime_extra = extra_of(time);
	error = write_full(ext, ino, inode);
	free(inode);
	return error;
}

long comeback_ext_set_xattr(struct comeback_ext *ext, uint32_t ino, const char *name, const void *value, uint64_t len)
{
	struct ext2_xattr_handle *handle;
	errcode_t error = open_xattrs(ext, ino, &handle);

	if (error)
		return error;
	error = ext2fs_xattr_set(handle, name, value, len);
	ext2fs_xattrs_close(&handle);
	return error;
}

/* Replaces the content of an inode that keeps it inline; EXT2_ET_INLINE_DATA_NO_SPACE when it does not fit. */
static errcode_t set_inline(struct comeback_ext *ext, ext2_ino_t ino, const void *data, uint64_t len)
{
	struct ext2_inode_large *inode;
	char padded[EXT4_MIN_INLINE_DATA_SIZE] = { 0 };
	errcode_t error;

	/* What was there before would stay behind a shorter content. */
	if (len < sizeof padded) {
		memcpy(padded, data, len);
		error = ext2fs_inline_data_set(ext->fs, ino, NULL, padded, sizeof padded);
	} else {
		error = ext2fs_inline_data_set(ext->fs, ino, NULL, (void *)data, len);
	}
	if (error)
		return error;
	error = read_full(ext, ino, &inode);
	if (error)
		return error;
	error = ext2fs_inode_size_set(ext->fs, (struct ext2_inode *)inode, (ext2_off64_t)len);
	if (!error)
		error = write_full(ext, ino, inode);
	free(inode);
	return error;
}

/* Moves an inode's content out of the inode: libext2fs does that only when more is written than fits. */
static errcode_t expand_inline(struct comeback_ext *ext, ext2_ino_t ino, const void *data, uint64_t len)
{
	unsigned int written, count = len < ext->fs->blocksize ? (unsigned int)len : ext->fs->blocksize;
	ext2_file_t file;
	errcode_t error = ext2fs_file_open(ext->fs, ino, EXT2_FILE_WRITE, &file), closed;

	if (error)
		return error;
	error = ext2fs_file_write(file, data, count, &written);
	closed = ext2fs_file_close(file);
	return error ? error : closed;
}

/* Gives blocks back that an inode no longer maps: of a cluster, only when nothing else in it is mapped. */
static errcode_t give_back(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *inode, blk64_t lblk, blk64_t pblk,
			   blk64_t count)
{
	blk64_t ratio = (blk64_t)EXT2FS_CLUSTER_RATIO(fs), end = lblk + count, freed = 0;
	errcode_t error = 0;

	while (!error && lblk < end) {
		blk64_t step = ratio - (lblk & (ratio - 1)), other = 0;

		if (step > end - lblk)
			step = end - lblk;
		error = ext2fs_map_cluster_block(fs, ino, inode, lblk, &other);
		if (!error && !other) {
			ext2fs_block_alloc_stats2(fs, pblk, -1);
			freed++;
		}
		lblk += step;
		pblk += step;
	}
	return error ? error : ext2fs_iblk_sub_blocks(fs, inode, freed);
}

/* Unmaps all blocks from `need` on. ext2fs_punch of 1.47.0 fails on extent trees with more than the root ("illegal block
 * number" when a file that lies in several groups is cut short), so extents are taken from the end, one by one. */
static errcode_t truncate_blocks(ext2_filsys fs, ext2_ino_t ino, struct ext2_inode *inode, blk64_t need)
{
	ext2_extent_handle_t handle;
	struct ext2fs_extent extent;
	errcode_t error = 0;

	if (!(inode->i_flags & EXT4_EXTENTS_FL))
		return ext2fs_punch(fs, ino, inode, NULL, need, ~0ULL);
	for (;;) {
		blk64_t keep;

		error = ext2fs_extent_open2(fs, ino, inode, &handle);
		if (error)
			return error;
		error = ext2fs_extent_get(handle, EXT2_EXTENT_ROOT, &extent);
		if (!error)
			error = ext2fs_extent_get(handle, EXT2_EXTENT_LAST_LEAF, &extent);
		if (error || extent.e_lblk + extent.e_len <= need)
			break;
		keep = extent.e_lblk < need ? need - extent.e_lblk : 0;
		if (keep) {
			struct ext2fs_extent rest = extent;

			rest.e_len = (__u32)keep;
			error = ext2fs_extent_replace(handle, 0, &rest);
		} else {
			error = ext2fs_extent_delete(handle, 0);
			if (!error)
				error = ext2fs_extent_fix_parents(handle);
			if (error == EXT2_ET_NO_CURRENT_NODE)
				error = 0;
		}
		ext2fs_extent_free(handle);
		if (!error)
			error = give_back(fs, ino, inode, extent.e_lblk + keep, extent.e_pblk + keep, extent.e_len - keep);
		if (!error)
			error = ext2fs_write_inode(fs, ino, inode);
		if (error)
			return error;
	}
	ext2fs_extent_free(handle);
	return error == EXT2_ET_NO_CURRENT_NODE || error == EXT2_ET_EXTENT_NO_NEXT ? 0 : error;
}

/* Gives a regular file exactly the blocks that `size` bytes need, and that size. `done` is set when the content was
 * stored as well, inline. Blocks that the file has stay where they are. */
long comeback_ext_resize(struct comeback_ext *ext, uint32_t ino, uint64_t size, const void *data, int *done)
{
	ext2_filsys fs = ext->fs;
	struct ext2_inode inode;
	blk64_t need = (size + fs->blocksize - 1) / fs->blocksize, i, block;
	errcode_t error = check_map(ext, ino);
	int flags;

	*done = 0;
	if (!error)
		error = ext2fs_read_inode(fs, ino, &inode);
	if (error)
		return error;
	if (inode.i_flags & EXT4_INLINE_DATA_FL) {
		error = set_inline(ext, ino, data, size);
		*done = !error;
		if (error != EXT2_ET_INLINE_DATA_NO_SPACE)
			return error;
		error = expand_inline(ext, ino, data, size);
		if (!error)
			error = ext2fs_read_inode(fs, ino, &inode);
		if (error)
			return error;
	}
	error = truncate_blocks(fs, ino, &inode, need);
	for (i = 0; !error && i < need; i++) {
		error = ext2fs_bmap2(fs, ino, NULL, NULL, 0, i, &flags, &block);
		if (!error && !block)
			error = ext2fs_bmap2(fs, ino, NULL, NULL, BMAP_ALLOC, i, NULL, &block);
		else if (!error && flags & BMAP_RET_UNINIT)
			error = ext2fs_bmap2(fs, ino, NULL, NULL, BMAP_SET, i, NULL, &block);
	}
	if (!error)
		error = ext2fs_read_inode(fs, ino, &inode);
	if (!error)
		error = ext2fs_inode_size_set(fs, &inode, (ext2_off64_t)size);
	return error ? error : ext2fs_write_inode(fs, ino, &inode);
}

/* Maps `count` blocks from `block` on through indirect blocks of the given depth (1 to 3). */
static errcode_t map_indirect(ext2_filsys fs, int depth, blk64_t *block, blk64_t *count, __u32 *out, unsigned int *meta)
{
	unsigned int slots = fs->blocksize / 4, i;
	__u32 *table = calloc(1, fs->blocksize);
	errcode_t error;
	blk64_t own;

	if (!table)
		return EXT2_ET_NO_MEMORY;
	error = ext2fs_alloc_block2(fs, *block, NULL, &own);
	if (!error)
		++*meta;
	for (i = 0; !error && i < slots && *count > 0; i++) {
		if (depth > 1) {
			error = map_indirect(fs, depth - 1, block, count, &table[i], meta);
		} else {
			table[i] = (__u32)*block;
			++*block;
			--*count;
		}
	}
	if (!error)
		error = io_channel_write_blk64(fs->io, own, 1, table);
	free(table);
	*out = (__u32)own;
	return error;
}

/* Gives an empty regular file `size` bytes in one run of blocks; EXT2_ET_BLOCK_ALLOC_FAIL when there is no such run. */
long comeback_ext_allocate_run(struct comeback_ext *ext, uint32_t ino, uint64_t size)
{
	ext2_filsys fs = ext->fs;
	struct ext2_inode inode;
	blk64_t need = (size + fs->blocksize - 1) / fs->blocksize;
	blk64_t run, at, taken = EXT2FS_C2B(fs, EXT2FS_NUM_B2C(fs, need)), left = need;
	ext2_extent_handle_t handle;
	unsigned int meta = 0;
	int i, depth;
	errcode_t error = ext2fs_read_inode(fs, ino, &inode);

	if (error || !need)
		return error;
	error = find_run(ext, ext2fs_find_inode_goal(fs, ino, &inode, 0), taken, &run);
	if (error)
		return error;
	for (at = run; at < run + taken; at += (blk64_t)EXT2FS_CLUSTER_RATIO(fs))
		ext2fs_block_alloc_stats2(fs, at, +1);
	at = run;
	if (inode.i_flags & EXT4_EXTENTS_FL) {
		ext2fs_iblk_add_blocks(fs, &inode, EXT2FS_B2C(fs, taken));
		error = ext2fs_extent_open2(fs, ino, &inode, &handle);
		for (; !error && left > 0; left--, at++)
			error = ext2fs_extent_set_bmap(handle, at - run, at, 0);
		if (!error)
			ext2fs_extent_free(handle);
	} else {
		for (i = 0; i < EXT2_NDIR_BLOCKS && left > 0; i++, at++, left--)
			inode.i_block[i] = (__u32)at;
		for (depth = 1; !error && depth <= 3 && left > 0; depth++)
			error = map_indirect(fs, depth, &at, &left, &inode.i_block[EXT2_NDIR_BLOCKS + depth - 1], &meta);
		if (!error && left > 0)
			error = EXT2_ET_FILE_TOO_BIG;
		ext2fs_iblk_add_blocks(fs, &inode, EXT2FS_B2C(fs, taken) + meta);
	}
	if (!error)
		error = ext2fs_inode_size_set(fs, &inode, (ext2_off64_t)size);
	return error ? error : ext2fs_write_inode(fs, ino, &inode);
}

static errcode_t link_into(struct comeback_ext *ext, ext2_ino_t dir, const char *name, ext2_ino_t ino, int type)
{
	errcode_t error = ext2fs_link(ext->fs, dir, name, ino, type);

	if (error == EXT2_ET_DIR_NO_SPACE) {
		error = ext2fs_expand_dir(ext->fs, dir);
		if (!error)
			error = ext2fs_link(ext->fs, dir, name, ino, type);
	}
	return error;
}

/* Creates an inode under a name that is still free. `target` is a link's target, NULL makes a regular file or, with
 * `isdir`, a directory. Attributes are set, content and xattrs are for the caller. */
long comeback_ext_create(struct comeback_ext *ext, uint32_t dir, const char *name, int isdir, const char *target,
			 uint32_t *out)
{
	ext2_filsys fs = ext->fs;
	struct ext2_inode inode;
	ext2_extent_handle_t handle;
	ext2_ino_t ino;
	int type = isdir ? EXT2_FT_DIR : target ? EXT2_FT_SYMLINK : EXT2_FT_REG_FILE;
	errcode_t error = check_map(ext, dir);

	if (!error)
		error = find_inode(ext, dir, &ino);
	if (error)
		return error;
	if (isdir || target) {
		/* These take the inode themselves, after they have taken their blocks. */
		dgrp_t group = ext2fs_group_of_ino(fs, ino);

		if (ext2fs_bg_flags_test(fs, group, EXT2_BG_BLOCK_UNINIT) && ext2fs_has_group_desc_csum(fs)) {
			error = load_blocks(ext, group, ext2fs_bg_free_blocks_count(fs, group));
			if (!error && ext->blocks[group] & LOADED) {
				ext2fs_clear_block_uninit(fs, group);
				ext->blocks[group] |= DIRTY;
			}
		}
		if (!error)
			error = isdir ? ext2fs_mkdir(fs, dir, ino, NULL) : ext2fs_symlink(fs, dir, ino, NULL, target);
	} else {
		memset(&inode, 0, sizeof inode);
		inode.i_mode = LINUX_S_IFREG | 0600;
		inode.i_links_count = 1;
		if (ext2fs_has_feature_extents(fs->super)) {
			inode.i_flags |= EXT4_EXTENTS_FL;
			error = ext2fs_extent_open2(fs, ino, &inode, &handle);
			if (error)
				return error;
			ext2fs_extent_free(handle);
		}
		error = ext2fs_write_new_inode(fs, ino, &inode);
		if (!error)
			error = take_inode(ext, ino, 0);
	}
	*out = ino;
	return error ? error : link_into(ext, dir, name, ino, type);
}

/* Takes a name away, and with the last name the inode. */
long comeback_ext_remove(struct comeback_ext *ext, uint32_t dir, const char *name, uint32_t ino)
{
	ext2_filsys fs = ext->fs;
	struct ext2_inode_large *inode;
	errcode_t error = check_map(ext, dir);

	if (!error)
		error = check_map(ext, ino);
	if (!error)
		error = load_inodes(ext, ext2fs_group_of_ino(fs, ino));
	if (!error && !(ext->inodes[ext2fs_group_of_ino(fs, ino)] & LOADED))
		error = EXT2_ET_FILESYSTEM_CORRUPTED;
	if (!error)
		error = ext2fs_unlink(fs, dir, name, ino, 0);
	if (!error)
		error = read_full(ext, ino, &inode);
	if (error)
		return error;
	if (inode->i_links_count > 1) {
		inode->i_links_count--;
		error = write_full(ext, ino, inode);
		free(inode);
		return error;
	}
	inode->i_links_count = 0;
	inode->i_dtime = (__u32)fs->now;
	error = ext2fs_free_ext_attr(fs, ino, inode);
	if (!error)
		error = write_full(ext, ino, inode);
	if (!error && ext2fs_inode_has_valid_blocks2(fs, (struct ext2_inode *)inode))
		error = truncate_blocks(fs, ino, (struct ext2_inode *)inode, 0);
	free(inode);
	if (!error) {
		ext->inodes[ext2fs_group_of_ino(fs, ino)] |= DIRTY;
		ext2fs_inode_alloc_stats2(fs, ino, -1, 0);
	}
	return error;
}
