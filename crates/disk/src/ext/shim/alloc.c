/* Bitmaps, loaded group by group, and what is taken from them. */
#include "shim.h"

unsigned int comeback_clusters_in(ext2_filsys fs, dgrp_t group)
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
int comeback_impossible(ext2_filsys fs, blk64_t block)
{
	return block < fs->super->s_first_data_block || block >= ext2fs_blocks_count(fs->super);
}

/* The group's block bitmap as it is on the medium, one bit per cluster, `blocksize` bytes. */
errcode_t comeback_read_block_bitmap(struct comeback_ext *ext, dgrp_t group, unsigned char *bits)
{
	ext2_filsys fs = ext->fs;
	errcode_t error;

	if (flags_on_disk(ext, group) & EXT2_BG_BLOCK_UNINIT) {
		initial_bitmap(fs, group, bits);
		return 0;
	}
	if (comeback_impossible(fs, ext2fs_block_bitmap_loc(fs, group)))
		return EXT2_ET_GDESC_BAD_BLOCK_MAP;
	error = io_channel_read_blk64(fs->io, ext2fs_block_bitmap_loc(fs, group), 1, bits);
	if (error)
		return error;
	if (!ext2fs_block_bitmap_csum_verify(fs, group, (char *)bits, (int)EXT2_CLUSTERS_PER_GROUP(fs->super) / 8))
		return EXT2_ET_BLOCK_BITMAP_CSUM_INVALID;
	return 0;
}

errcode_t comeback_load_blocks(struct comeback_ext *ext, dgrp_t group, unsigned int expected_free)
{
	ext2_filsys fs = ext->fs;
	unsigned int count = comeback_clusters_in(fs, group);
	unsigned char *bits;
	errcode_t error;

	if (ext->blocks[group] & (LOADED | BAD))
		return 0;
	bits = malloc(fs->blocksize);
	if (!bits)
		return EXT2_ET_NO_MEMORY;
	error = comeback_read_block_bitmap(ext, group, bits);
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

errcode_t comeback_load_inodes(struct comeback_ext *ext, dgrp_t group)
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
		error = comeback_impossible(fs, ext2fs_inode_bitmap_loc(fs, group)) ?
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
errcode_t comeback_find_run(struct comeback_ext *ext, blk64_t goal, blk64_t want, blk64_t *out)
{
	ext2_filsys fs = ext->fs;
	unsigned int clusters = (unsigned int)EXT2FS_NUM_B2C(fs, want);
	dgrp_t start, i;
	int pass;

	if (comeback_impossible(fs, goal))
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
			error = comeback_load_blocks(ext, group, ext2fs_bg_free_blocks_count(fs, group));
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
	error = comeback_find_run(fs->priv_data, goal, 1, out);
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
	error = comeback_find_run(fs->priv_data, goal, *out_len, out);
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
		error = comeback_load_blocks(ext, group, ext2fs_bg_free_blocks_count(fs, group) + (inuse > 0 ? 1 : -1));
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

errcode_t comeback_find_inode(struct comeback_ext *ext, ext2_ino_t near, ext2_ino_t *out)
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
			error = comeback_load_inodes(ext, group);
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
errcode_t comeback_ready_group(struct comeback_ext *ext, ext2_ino_t ino)
{
	ext2_filsys fs = ext->fs;
	dgrp_t group = ext2fs_group_of_ino(fs, ino);
	errcode_t error;

	if (!ext2fs_has_group_desc_csum(fs) || !ext2fs_bg_flags_test(fs, group, EXT2_BG_BLOCK_UNINIT))
		return 0;
	error = comeback_load_blocks(ext, group, ext2fs_bg_free_blocks_count(fs, group));
	if (!error && ext->blocks[group] & LOADED) {
		ext2fs_clear_block_uninit(fs, group);
		ext->blocks[group] |= DIRTY;
	}
	return error;
}

void comeback_set_hooks(ext2_filsys fs)
{
	fs->get_alloc_block = hook_alloc_plain;
	fs->get_alloc_block2 = hook_alloc;
	fs->new_range = hook_range;
	fs->block_alloc_stats = hook_stats;
	fs->block_alloc_stats_range = hook_stats_range;
}
