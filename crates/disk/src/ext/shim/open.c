/* Open, flush, close. */
#include "shim.h"

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
	error = comeback_open_channel(ext, flags);
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
		comeback_set_hooks(fs);
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
	unsigned int count = comeback_clusters_in(fs, group), i;
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
